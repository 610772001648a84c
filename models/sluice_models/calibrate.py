"""The default policy's thresholds from stated risks: ``python -m sluice_models.calibrate --bundle DIR --out FILE``.

The benign posts are everyday traffic (`sluice_models.measure.everyday`), scored by the encoders and the fusion; the
harmful ones are validation rows. The logits' scale and shift (`sluice_models.training.platt`) were fitted on some of
the same rows: two numbers per label, against thousands of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from sluice.logits import sigmoid
from sluice.resources import default_policy
from sluice.schema import LABELS, MODALITIES, ModalityName
from sluice.verdict.calibration import Calibrated, Floors, Labelled, Risks, calibrate_policy
from sluice.verdict.calibration_report import HEADINGS, tabulate, write_policy
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Policy, find
from sluice_models.config import RUNS, TextConfig, load_config
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_texts
from sluice_models.measure.everyday import PER_GROUP, Rows, choose_media, draw_everyday, draw_harmful
from sluice_models.networks.fusion import Fusion
from sluice_models.recipes.fusion.encoded import Encoded, Float32
from sluice_models.training.bundle_encoding import encode_examples, encode_pictures, encode_sounds
from sluice_models.training.checkpoint import Encoder
from sluice_models.training.onnx_fusion import find_fusion
from sluice_models.training.train_fusion import load_encoders, score_parts

DEFAULT_POLICY = default_policy()
REVIEW_FLOOR, BLOCK_FLOOR = 0.3, 0.85
"""Lower thresholds would ask for a look at, or block, posts that are more likely harmless than traffic alone shows."""
SOUND_FLOORS = {"gunshot": 0.94, "scream": 0.8, "shouting": 0.8}
"""Of a review for what only sound carries: the sounds to calibrate on are nearly all speech, and lower thresholds flag
noise and drums. See `sluice_models.measure.everyday_sounds`."""
FLOORS = Floors(np.array([SOUND_FLOORS.get(label, REVIEW_FLOOR) for label in LABELS]), BLOCK_FLOOR)


@dataclass(frozen=True)
class Traffic:
    """Posts to calibrate on, by kind, and how many groups of benign ones there are of each."""

    posts: dict[ModalityName, Labelled]
    n_groups: dict[ModalityName, int]

    @property
    def all(self) -> Labelled:
        """The posts of all kinds together."""
        parts = [(part.scores, part.truths) for part in self.posts.values()]
        return Labelled(*map(np.concatenate, zip(*parts, strict=True)))

    @property
    def provenance(self) -> list[str]:
        """What the policy file says about them."""
        groups = ", ".join(f"{self.n_groups[kind]} of {kind}" for kind in self.posts)
        return [
            f"Benign posts are everyday traffic: groups of {PER_GROUP} posts that weigh the same, {groups}:",
            "validation rows of a source in a language, and posts composed of harmless texts of a language.",
            "`image` was set by hand: the model card says how many harmless photographs from elsewhere reach it.",
            "Computed by python -m sluice_models.calibrate on the training bundle's validation split.",
        ]


def gather_traffic(encoders: Sequence[Encoder], fusion: Fusion, bundle: Path, runs: Path) -> Traffic:
    """Everyday and harmful posts of every kind, one part a post, scored."""
    pictures, sounds = encode_pictures(encoders[1], bundle, "val", runs), encode_sounds(encoders[2], bundle, "val")
    texts, n_texts = _gather_texts(encoders[0], fusion, bundle)
    posts, n_groups = {MODALITIES[0]: texts}, {MODALITIES[0]: n_texts}
    for kind, part in ((1, pictures), (2, sounds)):
        groups, harmful = choose_media(part)
        chosen = np.concatenate([*groups.values(), harmful])
        posts[MODALITIES[kind]] = label_part(fusion, part, kind, chosen)
        n_groups[MODALITIES[kind]] = len(groups)
    return Traffic(posts, n_groups)


def _gather_texts(encoder: Encoder, fusion: Fusion, bundle: Path) -> tuple[Labelled, int]:
    examples = read_texts(bundle, "val")
    groups = draw_everyday(examples)
    chosen = [row for own in groups.values() for row in own] + draw_harmful(examples)
    part = encode_examples(encoder, chosen, load_config("text_encoder", TextConfig).rows)
    return label_part(fusion, part, 0, np.arange(len(chosen))), len(groups)


def label_part(fusion: Fusion, part: Encoded, kind: int, rows: Rows) -> Labelled:
    """Some rows as posts of their own; what is 0 only because nobody said otherwise is not annotated."""
    logits = score_parts(fusion, part, kind)[0]
    truths = np.where(part.weights == 1, part.targets, np.nan)
    return Labelled(score_probabilities(logits)[rows], truths[rows])


def score_probabilities(logits: Float32) -> Float32:
    """Calibrated probabilities, any shape."""
    return sigmoid(logits).astype(np.float32)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    out: Annotated[Path | None, typer.Option(help="Write the policy here instead of to standard output.")] = None,
    review_risk: Annotated[float, typer.Option(help="Share of benign posts that may be reviewed or blocked.")] = 0.05,
    block_risk: Annotated[float, typer.Option(help="Share of benign posts that may be blocked.")] = 0.005,
    base: Annotated[Path, typer.Option(help="The policy whose thresholds are computed anew.")] = DEFAULT_POLICY,
    runs: Annotated[Path, typer.Option(help="Where the checkpoints are.")] = RUNS,
) -> None:
    """Give the policy thresholds that keep the stated risks, and print the figures."""
    console = Console(stderr=True, highlight=False)
    with report_errors():
        policy = load_policy(base)
        fusion = find_fusion(runs)
        console.print("scoring everyday traffic and harmful posts")
        traffic = gather_traffic(load_encoders(runs, console), fusion, bundle, runs)
        risks = Risks(review_risk, block_risk)
        calibrated = calibrate_policy(policy, traffic.all, risks, policy.name, policy.version + 1, FLOORS)
    console.print(_figures_table(calibrated))
    console.print(_modality_table(calibrated.policy, traffic))
    text = write_policy(calibrated, traffic.provenance)
    if out:
        out.write_text(text, "utf-8")
    else:
        typer.echo(text, nl=False)


def measure_modality(policy: Policy, posts: Labelled, kind: ModalityName) -> tuple[int, float, float]:
    """The number of benign posts of a kind, and the shares of them that are reviewed or blocked, and blocked."""
    rows, pictured = posts.scores[posts.benign], LABELS if kind == "image" else ()
    found = (find(policy, dict(zip(LABELS, row, strict=True)), pictured) for row in rows)
    decisions = [findings[0].decision for findings in found if findings]
    n_rows = max(len(rows), 1)
    return len(rows), len(decisions) / n_rows, decisions.count("block") / n_rows


def _figures_table(calibrated: Calibrated) -> Table:
    table = Table(*HEADINGS)
    for cells in tabulate(calibrated):
        table.add_row(*cells)
    return table


def _modality_table(policy: Policy, traffic: Traffic) -> Table:
    table = Table("modality", "benign", "reviewed or blocked", "blocked")
    for name, posts in traffic.posts.items():
        n_benign, review, block = measure_modality(policy, posts, name)
        table.add_row(name, str(n_benign), f"{review:.4f}", f"{block:.4f}")
    return table


if __name__ == "__main__":
    typer.run(main)
