"""Writes the tables of `MODEL_CARD.md` between their markers; what stands around them is written by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine.errors import SettingsError
from models.evaluation import Evaluation
from models.label_figures import ALL_SOURCES, LabelReport
from models.origins import Origin

CARD_FILE = Path(__file__).with_name("MODEL_CARD.md")
TABLES = ("licences", "sources", "labels", "by-source", "evidence", "bias", "robustness", "functional", "cost")
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
    return {
        "licences": _licence_table(evaluation.origins),
        "sources": _source_table(evaluation.origins),
        "labels": _label_table([row for row in evaluation.labels if row.source == ALL_SOURCES]),
        "by-source": _by_source_table([row for row in evaluation.labels if row.source != ALL_SOURCES]),
        "evidence": _format(
            ("measure", "texts", "figure", "chance"),
            ((row.measure, row.n_rows, row.figure, f"{row.chance:.3f}") for row in evaluation.evidence),
        ),
        "bias": _format(
            ("rows", "identity", "1", "0", "subgroup AUC", "BPSN AUC", "BNSP AUC"),
            (
                (row.rows, row.identity, row.n_positives, row.n_negatives, row.subgroup, row.bpsn, row.bnsp)
                for row in evaluation.bias
            ),
        ),
        "robustness": _format(
            ("trick", "language", "label", "1", "AUPRC", "AUPRC obfuscated", "drop", "kept"),
            (
                (
                    row.trick,
                    row.language,
                    row.label,
                    row.n_positives,
                    row.plain,
                    row.tricked,
                    row.drop,
                    _share(row.kept),
                )
                for row in evaluation.robustness
            ),
        ),
        "functional": _format(
            ("family", "should be flagged", "sentences", "accuracy"),
            ((row.family, "yes" if row.harmful else "no", row.n_rows, row.accuracy) for row in evaluation.functional),
        ),
        "cost": _format(
            ("model", "MB", "batch", "median ms", "95th percentile ms"),
            (
                (row.model, f"{row.n_bytes / 1e6:.1f}", row.n_batch, f"{row.median_ms:.1f}", f"{row.p95_ms:.1f}")
                for row in evaluation.costs
            ),
        ),
    }


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


def _by_source_table(rows: Sequence[LabelReport]) -> str:
    head = ("modality", "label", "source", "1", "0", "AUPRC", "AUROC", "F1 at review", "recall at 1 % FPR", "ECE")
    return _format(head, ((row.modality, row.label, row.source, *_figures(row)[:-1]) for row in rows))


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


def _format(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
