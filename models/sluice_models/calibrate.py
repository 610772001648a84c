"""The default policy's thresholds from stated risks: ``python -m sluice_models.calibrate --bundle DIR --out FILE``.

The posts are the bundle's validation split, each row as a post of one part, scored by the encoders and the fusion. The
logits' scale and shift (`sluice_models.training.platt`) were fitted on the same rows: two numbers per label, against
thousands of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from sluice.errors import SettingsError
from sluice.logits import sigmoid
from sluice.resources import default_policy
from sluice.schema import LABELS, MODALITIES
from sluice.verdict.calibration import Calibrated, Labelled, Risks, calibrate_policy
from sluice.verdict.calibration_report import HEADINGS, tabulate, write_policy
from sluice.verdict.policy import Policy, find, load_policy
from sluice_models.config import RUNS, TextConfig, load_config
from sluice_models.console import report_errors
from sluice_models.networks.fusion import Fusion
from sluice_models.recipes.fusion.encoded import Encoded, Float32
from sluice_models.training import checkpoint
from sluice_models.training.bundle_encoding import encode_split
from sluice_models.training.train_fusion import load_encoders, score_parts

DEFAULT_POLICY = default_policy()
TOXICITY = LABELS.index("toxicity")
PROVENANCE = (
    "Computed by python -m sluice_models.calibrate on the validation split of the training bundle, one part a post."
)


def label_rows(parts: Sequence[Encoded], scores: Sequence[Float32]) -> Labelled:
    """All modalities' rows as posts; what counts as 0 only because nobody said otherwise is not annotated.

    Pictures and sounds of our own are left out. A text whose toxicity nobody judged is not counted as benign, whatever
    else it was found not to be: many are only known to be, say, no hate speech, and are rude.

    Parameters
    ----------
    scores : sequence of ndarray, shape = (n, labels)
        Calibrated probabilities, per part.
    """
    truths = [np.where(part.weights == 1, part.targets, np.nan) for part in parts]
    text = truths[MODALITIES.index("text")]
    text[np.isnan(text[:, TOXICITY]) & ~(text == 1).any(axis=1)] = np.nan
    found = np.concatenate([part.found for part in parts])
    return Labelled(np.concatenate(scores)[found], np.concatenate(truths)[found])


def score_rows(fusion: Fusion, parts: Sequence[Encoded]) -> list[Float32]:
    """Calibrated probabilities of every row as a post of its own, shape = (n, labels), per modality."""
    logits = [score_parts(fusion, part, modality)[0] for modality, part in enumerate(parts)]
    return [sigmoid(part).astype(np.float32) for part in logits]


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
        parts, scores = encode_validation(bundle, runs, console)
        posts, risks = label_rows(parts, scores), Risks(review_risk, block_risk)
        calibrated = calibrate_policy(policy, posts, risks, policy.name, policy.version + 1)
    console.print(_figures_table(calibrated))
    console.print(_modality_table(calibrated.policy, posts, [int(part.found.sum()) for part in parts]))
    text = write_policy(calibrated, [PROVENANCE])
    if out:
        out.write_text(text, "utf-8")
    else:
        typer.echo(text, nl=False)


def encode_validation(bundle: Path, runs: Path, console: Console) -> tuple[list[Encoded], list[Float32]]:
    """The validation split and its scores, shape = (n, labels); raises `SettingsError` where something is missing."""
    fusion = checkpoint.load("fusion", runs)
    if not isinstance(fusion, Fusion):
        raise SettingsError(f"{runs} holds no fusion")
    console.print("scoring the validation split")
    parts = encode_split(load_encoders(runs), bundle, "val", load_config("text_encoder", TextConfig).rows, runs)
    return parts, score_rows(fusion, parts)


def measure_modality(policy: Policy, posts: Labelled) -> tuple[int, float, float]:
    """The number of benign posts, and the shares of them that are reviewed or blocked, and blocked."""
    rows = posts.scores[posts.benign]
    decisions = [
        findings[0].decision for row in rows if (findings := find(policy, dict(zip(LABELS, row, strict=True))))
    ]
    n_rows = max(len(rows), 1)
    return len(rows), len(decisions) / n_rows, decisions.count("block") / n_rows


def _figures_table(calibrated: Calibrated) -> Table:
    table = Table(*HEADINGS)
    for cells in tabulate(calibrated):
        table.add_row(*cells)
    return table


def _modality_table(policy: Policy, posts: Labelled, n_rows: Sequence[int]) -> Table:
    table = Table("modality", "benign", "reviewed or blocked", "blocked")
    ends = np.cumsum(n_rows)
    for name, start, end in zip(MODALITIES, ends - n_rows, ends, strict=True):
        n_benign, review, block = measure_modality(policy, Labelled(posts.scores[start:end], posts.truths[start:end]))
        table.add_row(name, str(n_benign), f"{review:.4f}", f"{block:.4f}")
    return table


if __name__ == "__main__":
    typer.run(main)
