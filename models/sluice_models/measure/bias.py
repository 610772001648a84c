"""How scores treat texts that name an identity: subgroup, BPSN and BNSP AUC (Borkan et al. 2019)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import (
    NO_FIGURE,
    Bools,
    Figure,
    Floats,
    draw_counts,
    measure_with_interval,
    resample_auroc,
)
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table

LABEL = "toxicity"
N_BACKGROUND = 600
"""English texts that name no identity, for comparison."""
MIN_ROWS = 10
"""Of either kind in the subgroup."""
TEMPLATE_SOURCE = "jigsaw_bias_templates"
IDENTITIES = {
    "gender": "male|female|man|woman|men|women|trans|transgender|nonbinary",
    "orientation": "gay|lesbian|bisexual|queer|lgbt|lgbtq|homosexual|straight|heterosexual",
    "religion": "muslims?|islam|islamic|jewish|jews?|christians?|catholic|protestant|buddhist|sikh|taoist",
    "ethnicity": (
        "black|white|asian|latino|latina|latinx|hispanic|african|african american|mexican|chinese|indian|japanese"
        "|european|american|canadian|middle eastern|immigrant|immigrants|refugee|refugees"
    ),
    "disability": "blind|deaf|paralyzed|disabled",
    "age": "old|older|young|younger|elderly|teenage|millenial|middle aged",
}  # neutral words; each group as a whole, since single words have too few rows


@dataclass(frozen=True)
class BiasRow:
    """One identity among rows of one kind.

    Attributes
    ----------
    subgroup : Figure
        AUC among the rows that name the identity.
    bpsn : Figure
        Toxic rows without it against harmless rows with it: low where naming it raises scores.
    bnsp : Figure
        Harmless rows without it against toxic rows with it: low where naming it lowers scores.
    """

    rows: str
    identity: str
    n_positives: int
    n_negatives: int
    subgroup: Figure
    bpsn: Figure
    bnsp: Figure


def find_members(texts: Sequence[str], identity: str) -> Bools:
    """Which texts name the identity, shape = (n,)."""
    pattern = re.compile(rf"\b(?:{IDENTITIES[identity]})\b", re.IGNORECASE)
    return np.array([bool(pattern.search(text)) for text in texts], np.bool_)


def find_any_member(texts: Sequence[str]) -> Bools:
    """Which texts name any identity, shape = (n,)."""
    return np.asarray(np.any([find_members(texts, identity) for identity in IDENTITIES], axis=0), np.bool_)


def measure_bias(examples: Sequence[Example], scores: Floats) -> list[BiasRow]:
    """Template rows among themselves, then all English rows; `scores`, shape = (n,), are for toxicity."""
    index = LABELS.index(LABEL)
    english = np.array([row.lang == "en" and not np.isnan(row.targets[index]) for row in examples])
    templates = np.array([row.source == TEMPLATE_SOURCE for row in examples]) & english
    reports = []
    for name, chosen in ((TEMPLATE_SOURCE, templates), ("all English", english)):
        rows = [example for example, kept in zip(examples, chosen, strict=True) if kept]
        positive = np.array([row.targets[index] == 1 for row in rows], np.bool_)
        for identity in IDENTITIES:
            member = find_members([row.text or "" for row in rows], identity)
            if min((member & positive).sum(), (member & ~positive).sum()) >= MIN_ROWS:
                reports.append(report_identity(name, identity, scores[chosen], positive, member))
    return reports


def report_identity(rows: str, identity: str, scores: Floats, positive: Bools, member: Bools) -> BiasRow:
    """The three AUCs of rows, shape = (n,) each; NaN where a side is empty."""
    return BiasRow(
        rows,
        identity,
        int((member & positive).sum()),
        int((member & ~positive).sum()),
        _measure(scores, positive, member),
        _measure(scores, positive, member != positive),
        _measure(scores, positive, member == positive),
    )


def _measure(scores: Floats, positive: Bools, chosen: Bools) -> Figure:
    if not chosen.any():
        return NO_FIGURE
    return measure_with_interval(resample_auroc, scores[chosen], positive[chosen], draw_counts(int(chosen.sum())))


def sample_rows(examples: Sequence[Example]) -> list[Example]:
    """English rows that name an identity, and at most `N_BACKGROUND` others, drawn evenly."""
    index = LABELS.index(LABEL)
    english = [row for row in examples if row.lang == "en" and not np.isnan(row.targets[index])]
    named = find_any_member([row.text or "" for row in english])
    others = [row for row, member in zip(english, named, strict=True) if not member]
    sample = random.Random(0).sample(others, min(len(others), N_BACKGROUND))
    return [row for row, member in zip(english, named, strict=True) if member] + sample


class Bias(Report[BiasRow]):
    """How scores treat texts that name an identity."""

    name, title = "bias", "bias"

    def measure(self, context: EvaluationContext) -> Iterable[BiasRow]:
        """One row per kind of rows and identity."""
        rows = sample_rows(context.examples)
        scores = context.texts.score([row.text or "" for row in rows])
        return measure_bias(rows, scores[:, LABELS.index(LABEL)])

    def tables(self, evaluation: Evaluation) -> Iterator[Table[BiasRow]]:
        """One."""
        columns: Columns[BiasRow] = {
            "rows": lambda row: row.rows,
            "identity": lambda row: row.identity,
            "1": lambda row: row.n_positives,
            "0": lambda row: row.n_negatives,
            "subgroup AUC": lambda row: row.subgroup,
            "BPSN AUC": lambda row: row.bpsn,
            "BNSP AUC": lambda row: row.bnsp,
        }
        yield Table("bias", columns, evaluation.of(Bias))
