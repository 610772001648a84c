"""Measures the trained models on the validation split: ``python -m models.evaluate --bundle DIR``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from engine.errors import SettingsError
from engine.schema import LABELS, MODALITIES
from models import checkpoint
from models.config import RUNS, TextConfig, load_config
from models.console import report_errors
from models.encode import Encoded, encode_split
from models.fusion import Fusion
from models.scores import find_threshold, measure_auprc, measure_auroc
from models.train_fusion import load_encoders, score_parts

MIN_POSITIVES = 5
"""Labels with fewer in a modality's validation rows are left out: the figure would be chance."""
REVIEW_SHARE, BLOCK_SHARE = 0.05, 0.005
"""Harmless rows that may reach a threshold."""


@dataclass(frozen=True)
class LabelReport:
    """One label in one modality: each row scored by its encoder alone, and as a post of its own by the fusion.

    Attributes
    ----------
    review, block : float
        Scores that 5 % and 0.5 % of the rows annotated 0 reach.
    """

    modality: str
    label: str
    n_positives: int
    n_negatives: int
    auprc: float
    auroc: float
    encoder_auprc: float
    review: float
    block: float


def report_part(fusion: Fusion, part: Encoded, modality: int) -> list[LabelReport]:
    """Every label that has enough rows of both kinds in this modality."""
    fused = _probabilities(score_parts(fusion, part, modality)[0])
    alone = _probabilities(part.logits)
    reports = []
    for index, label in enumerate(LABELS):
        certain = ~np.isnan(part.targets[:, index]) & (part.weights[:, index] == 1)
        positive = part.targets[certain, index] == 1
        if min(positive.sum(), (~positive).sum()) >= MIN_POSITIVES:
            scores = fused[certain, index]
            reports.append(_report(MODALITIES[modality], label, scores, alone[certain, index], positive))
    return reports


def _report(
    modality: str, label: str, scores: npt.NDArray[np.float32], alone: npt.NDArray[np.float32],
    positive: npt.NDArray[np.bool_],
) -> LabelReport:  # fmt: skip
    return LabelReport(
        modality=modality,
        label=label,
        n_positives=int(positive.sum()),
        n_negatives=int((~positive).sum()),
        auprc=measure_auprc(scores, positive),
        auroc=measure_auroc(scores, positive),
        encoder_auprc=measure_auprc(alone, positive),
        review=find_threshold(scores, ~positive, REVIEW_SHARE),
        block=find_threshold(scores, ~positive, BLOCK_SHARE),
    )


def _probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    runs: Annotated[Path, typer.Option(help="Where the checkpoints are.")] = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per label on stdout.")] = False,
) -> None:
    """Score the validation split and print figures per modality and label."""
    with report_errors():
        reports = report_all(bundle, runs)
    if as_json:
        for report in reports:
            typer.echo(json.dumps(asdict(report)))
    else:
        Console().print(_table(reports))


def report_all(bundle: Path, runs: Path) -> list[LabelReport]:
    """Every modality and label; raises `SettingsError` if bundle or checkpoints are missing."""
    fusion = checkpoint.load("fusion", runs)
    if not isinstance(fusion, Fusion):
        raise SettingsError(f"{runs} holds no fusion")
    parts = encode_split(load_encoders(runs), bundle, "val", load_config("text_encoder", TextConfig).training, runs)
    return [report for modality, part in enumerate(parts) for report in report_part(fusion, part, modality)]


def _table(reports: list[LabelReport]) -> Table:
    table = Table("modality", "label", "1", "0", "AUPRC", "AUROC", "encoder AUPRC", "review", "block")
    for report in reports:
        counts = (str(report.n_positives), str(report.n_negatives))
        figures = (report.auprc, report.auroc, report.encoder_auprc, report.review, report.block)
        table.add_row(report.modality, report.label, *counts, *(f"{figure:.3f}" for figure in figures))
    return table


if __name__ == "__main__":
    typer.run(main)
