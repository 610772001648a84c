"""Writes the tables of `MODEL_CARD.md` between their markers; what stands around them is written by hand."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sluice.errors import SettingsError
from sluice_models.measure.bias import BiasReport
from sluice_models.measure.candidates import CandidateReport
from sluice_models.measure.counterfactuals import SwapReport
from sluice_models.measure.evaluation import Evaluation
from sluice_models.measure.functional import FunctionalReport
from sluice_models.measure.headlines import Headline
from sluice_models.measure.intervals import Figure
from sluice_models.measure.label_figures import ALL_SOURCES, LabelReport
from sluice_models.measure.mixtures import MixtureReport
from sluice_models.measure.obfuscation import Robustness
from sluice_models.measure.origins import Origin
from sluice_models.measure.pair_figures import PairReport
from sluice_models.measure.precision import PrecisionReport
from sluice_models.measure.rationales import EvidenceReport
from sluice_models.measure.serving_cost import CostReport
from sluice_models.measure.source_figures import SourceReport, average_sources
from sluice_models.measure.summary import summarise
from sluice_models.measure.unseen import FalseAlarms

CARD_FILE = Path("models/MODEL_CARD.md")
MAX_FUSION_LOSS, MAX_PRECISION_LOSS = 0.005, 0.005
DASH = "–"
NOT_RUN = "Not measured yet: `python -m sluice_models.leave_out --bundle DIR` runs the folds."
_TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def fill_card(card: str, tables: Mapping[str, str]) -> str:
    """The card with each table put between its markers.

    Raises
    ------
    SettingsError
        If the card's markers and the tables are not the same ones.
    """
    marked = [match[2] for match in _TABLE.finditer(card)]
    if sorted(marked) != sorted(tables):
        raise SettingsError(f"the model card marks {sorted(marked)}, but the tables are {sorted(tables)}")
    return _TABLE.sub(lambda match: f"{match[1]}{tables[match[2]]}\n{match[3]}", card)


def make_tables(evaluation: Evaluation) -> dict[str, str]:
    """Every table of the card, in Markdown."""
    labels = [row for row in evaluation.labels if row.source == ALL_SOURCES]
    return {
        "headlines": _headline_table(summarise(evaluation)),
        "licences": _licence_table(evaluation.origins),
        "sources": _source_table(evaluation.origins),
        "labels": _label_table(labels),
        "by-source": _by_source_table([row for row in evaluation.labels if row.source != ALL_SOURCES]),
        "candidates": _candidate_table(evaluation.candidates),
        "left-out-means": _means_table(evaluation.left_out),
        "left-out": _left_out_table(evaluation.left_out),
        "unseen": _source_figures_table(evaluation.unseen),
        "false-alarms": _alarms_table(evaluation.alarms),
        "mixtures": _mixtures_table(evaluation.mixtures),
        "fusion": _fusion_table(labels),
        "pairs": _pairs_table(evaluation.pairs),
        "evidence": _evidence_table(evaluation.evidence),
        "bias": _bias_table(evaluation.bias),
        "swaps": _swaps_table(evaluation.swaps),
        "robustness": _robustness_table(evaluation.robustness),
        "functional": _functional_table(evaluation.functional),
        "precision": _precision_table(evaluation.precision),
        "cost": _cost_table(evaluation.costs),
    }


def _headline_table(rows: Sequence[Headline]) -> str:
    return _format(
        ("figure", "of", "n", "value"), ((row.what, row.rows, row.n_rows, _show(row.figure)) for row in rows)
    )


def _show(figure: Figure) -> str:
    """A figure without an interval is shown without one."""
    return str(figure) if not math.isnan(figure.low) or math.isnan(figure.value) else f"{figure.value:.3f}"


def _label_table(rows: Sequence[LabelReport]) -> str:
    head = (
        "modality",
        "label",
        "1",
        "0",
        "AUPRC",
        "AUROC",
        "F1 at review",
        "recall at 1 % FPR",
        "ECE",
        "encoder AUPRC",
    )
    return _format(head, ((row.modality, row.label, *_figures(row)) for row in rows))


def _figures(row: LabelReport) -> tuple[object, ...]:
    measured = row.auprc, row.auroc, row.f1, row.recall, row.ece
    return row.n_positives, row.n_negatives, *measured, f"{row.encoder_auprc:.3f}"


def _candidate_table(rows: Sequence[CandidateReport]) -> str:
    head = (
        "reader",
        "M parameters",
        "ms a text",
        "toxicity, English",
        "toxicity, Chinese",
        "hate",
        "mean of the labels",
        "COLD accuracy",
        "toxicity kept under tricks",
    )
    return _format(
        head,
        (
            (
                row.name,
                f"{row.n_parameters / 1e6:.1f}",
                f"{row.ms_per_text:.1f}",
                *(f"{value:.3f}" for value in (row.english, row.chinese, row.hate, row.mean, row.cold_accuracy)),
                _share(row.kept),
            )
            for row in rows
        ),
    )


def _by_source_table(rows: Sequence[LabelReport]) -> str:
    head = ("modality", "label", "source", "1", "0", "AUPRC", "AUROC", "F1 at review", "recall at 1 % FPR", "ECE")
    return _format(head, ((row.modality, row.label, row.source, *_figures(row)[:-1]) for row in rows))


def _means_table(rows: Sequence[SourceReport]) -> str:
    if not rows:
        return NOT_RUN
    return _format(
        ("language", "label", "sources", "AUROC, mean", "lowest", "highest", "AUPRC, mean"),
        (
            (row.language, row.label, row.n_sources, *_digits(row.auroc, row.lowest, row.highest, row.auprc))
            for row in average_sources(rows)
        ),
    )


def _left_out_table(rows: Sequence[SourceReport]) -> str:
    return _source_figures_table(rows) if rows else NOT_RUN


def _source_figures_table(rows: Sequence[SourceReport]) -> str:
    return _format(
        ("modality", "label", "language", "source", "rows that are 0", "1", "0", "AUROC", "AUPRC"),
        (
            (
                row.modality,
                row.label,
                row.language or DASH,
                row.source,
                row.negatives,
                row.n_positives,
                row.n_negatives,
                row.auroc,
                row.auprc,
            )
            for row in rows
        ),
    )


def _alarms_table(rows: Sequence[FalseAlarms]) -> str:
    return _format(
        ("modality", "source", "language", "harmless rows", "reach review", "reach block"),
        (
            (row.modality, row.source, row.language or DASH, row.n_rows, _tenths(row.reviewed), _tenths(row.blocked))
            for row in rows
        ),
    )


def _mixtures_table(rows: Sequence[MixtureReport]) -> str:
    return _format(
        ("label", "SNR", "1", "0", "clips", "AUPRC", "AUROC"),
        (
            (row.label, f"{row.snr_db:.0f} dB", row.n_positives, row.n_negatives, row.n_clips, row.auprc, row.auroc)
            for row in rows
        ),
    )


def _fusion_table(rows: Sequence[LabelReport]) -> str:
    return _format(
        ("modality", "label", "encoder AUPRC", "fusion AUPRC", "difference", f"above -{MAX_FUSION_LOSS}"),
        (
            (
                row.modality,
                row.label,
                *_digits(row.encoder_auprc, row.auprc.value),
                row.gain,
                "yes" if row.gain.value >= -MAX_FUSION_LOSS else "**no**",
            )
            for row in rows
        ),
    )


def _pairs_table(rows: Sequence[PairReport]) -> str:
    return _format(
        ("label", "1", "0", "fusion AUPRC", "best single part AUPRC"),
        ((row.label, row.n_positives, row.n_negatives, *_digits(row.fused, row.best_part)) for row in rows),
    )


def _evidence_table(rows: Sequence[EvidenceReport]) -> str:
    return _format(
        ("measure", "texts", "figure", "chance"),
        ((row.measure, row.n_rows, row.figure, *_digits(row.chance)) for row in rows),
    )


def _bias_table(rows: Sequence[BiasReport]) -> str:
    return _format(
        ("rows", "identity", "1", "0", "subgroup AUC", "BPSN AUC", "BNSP AUC"),
        ((row.rows, row.identity, row.n_positives, row.n_negatives, row.subgroup, row.bpsn, row.bnsp) for row in rows),
    )


def _swaps_table(rows: Sequence[SwapReport]) -> str:
    return _format(
        ("swap", "group", "sentences", "toxicity, difference", "reach review", "the others"),
        (
            (
                row.comparison,
                row.group,
                row.n_rows,
                row.difference,
                _tenths(row.flagged),
                _tenths(row.flagged_otherwise),
            )
            for row in rows
        ),
    )


def _robustness_table(rows: Sequence[Robustness]) -> str:
    known = {True: "yes", False: "no", None: DASH}
    return _format(
        ("trick", "trained on its kind", "language", "label", "1", "AUPRC", "AUPRC obfuscated", "drop", "kept"),
        (
            (
                row.trick,
                known[row.trained],
                row.language,
                row.label,
                row.n_positives,
                row.plain,
                row.tricked,
                row.drop,
                _share(row.kept),
            )
            for row in rows
        ),
    )


def _functional_table(rows: Sequence[FunctionalReport]) -> str:
    return _format(
        ("from", "family", "should be flagged", "sentences", "accuracy"),
        ((row.suite, row.family, "yes" if row.harmful else "no", row.n_rows, row.accuracy) for row in rows),
    )


def _precision_table(rows: Sequence[PrecisionReport]) -> str:
    columns = ("AUPRC, single precision", "AUPRC, in this form", "loss", "largest change of a score")
    return _format(
        ("form", "modality", "label", "1", *columns, f"loss at most {MAX_PRECISION_LOSS}"),
        (
            (
                row.form,
                row.modality,
                row.label,
                row.n_positives,
                row.single,
                row.reduced,
                row.loss,
                f"{row.largest:.3f}",
                "yes" if row.loss.value <= MAX_PRECISION_LOSS else "**no**",
            )
            for row in rows
        ),
    )


def _cost_table(rows: Sequence[CostReport]) -> str:
    return _format(
        ("model", "MB", "batch", "median ms", "95th percentile ms"),
        (
            (row.model, f"{row.n_bytes / 1e6:.1f}", row.n_batch, f"{row.median_ms:.1f}", f"{row.p95_ms:.1f}")
            for row in rows
        ),
    )


def _licence_table(origins: Sequence[Origin]) -> str:
    n_train, n_val = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for origin in origins:
        n_train[(origin.modality, origin.licence_class)] += origin.n_train
        n_val[(origin.modality, origin.licence_class)] += origin.n_val
    used = {(origin.modality, origin.licence_class): "yes" if origin.used else "no" for origin in origins}
    return _format(
        ("modality", "licence class", "training rows", "validation rows", "used"),
        ((*key, n_train[key], n_val[key], used[key]) for key in sorted(n_train)),
    )


def _source_table(origins: Sequence[Origin]) -> str:
    rows = (
        (row.modality, row.source, row.licence, row.licence_class, row.n_train, row.n_val)
        for row in origins
        if row.used
    )
    return _format(("modality", "source", "licence", "class", "training rows", "validation rows"), rows)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _tenths(value: float) -> str:
    return f"{100 * value:.1f} %"


def _digits(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _format(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
