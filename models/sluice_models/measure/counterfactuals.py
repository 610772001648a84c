"""Sentences that differ in dialect or in the group they name, and nothing else: their scores should not differ.

After Sap et al. (2019) for dialect and Garg et al. (2019) for swapped identity terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import yaml

from sluice.intervals import Figure, Floats
from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.functional import judge
from sluice_models.measure.rationales import find_mean
from sluice_models.measure.report import Columns, Evaluation, Report, Table, permille
from sluice_models.measure.score_texts import TextScorer

LABEL = LABELS.index("toxicity")
Identities = dict[str, tuple[str, ...]]


class Counterfactuals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`counterfactuals.yaml`: pairs of a sentence in dialect and the same in general English, and slots to swap."""

    dialect: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    identities: Identities
    chinese_sentences: tuple[str, ...]
    chinese_identities: Identities


@dataclass(frozen=True)
class SwapRow:
    """One way of saying or one kind of group, beside what it is compared with.

    Attributes
    ----------
    difference : Figure
        Mean over sentences of the toxicity score less that of the same sentence said the other way (dialect) or of its
        mean over all groups (identity).
    flagged, flagged_otherwise : float
        Shares of the sentences, in [0, 1], that reach review on any label: these, and what they are compared with.
    """

    comparison: str
    group: str
    n_rows: int
    difference: Figure
    flagged: float
    flagged_otherwise: float


def load_counterfactuals() -> Counterfactuals:
    """Read ``models/sluice_models/measure/counterfactuals.yaml``."""
    file = packaged_file("sluice_models.measure", "counterfactuals.yaml")
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Counterfactuals)


def measure_counterfactuals(scorer: TextScorer, thresholds: Mapping[str, float]) -> list[SwapRow]:
    """Dialect, then identities in English and Chinese."""
    texts = load_counterfactuals()
    return [
        _measure_dialect(scorer, texts.dialect, thresholds),
        *_measure_swaps(scorer, "English", texts.sentences, texts.identities, thresholds),
        *_measure_swaps(scorer, "Chinese", texts.chinese_sentences, texts.chinese_identities, thresholds),
    ]


def _measure_dialect(scorer: TextScorer, pairs: Sequence[tuple[str, str]], thresholds: Mapping[str, float]) -> SwapRow:
    dialect, general = (scorer.score([pair[side] for pair in pairs]) for side in (0, 1))
    flagged = [float(_is_flagged(scores, thresholds).mean()) for scores in (dialect, general)]
    difference = find_mean(dialect[:, LABEL] - general[:, LABEL])
    return SwapRow("dialect, English", "African-American", len(pairs), difference, *flagged)


def _measure_swaps(
    scorer: TextScorer,
    language: str,
    sentences: Sequence[str],
    identities: Identities,
    thresholds: Mapping[str, float],
) -> Iterator[SwapRow]:
    """Each kind of group against the mean of all groups in the same sentences."""
    words = [word for group in identities.values() for word in group]
    texts = [sentence.replace("{identity}", word) for sentence in sentences for word in words]
    probabilities = scorer.score(texts)
    by_word = (len(sentences), len(words))
    flagged = _is_flagged(probabilities, thresholds).reshape(by_word)
    scores = probabilities[:, LABEL].reshape(by_word)
    differences = scores - scores.mean(axis=1, keepdims=True)
    start = 0
    for group, members in identities.items():
        own = np.arange(start, start + len(members))
        start += len(members)
        others = np.setdiff1d(np.arange(len(words)), own)
        yield SwapRow(
            f"identity, {language}",
            group,
            differences[:, own].size,
            find_mean(differences[:, own].ravel()),
            float(flagged[:, own].mean()),
            float(flagged[:, others].mean()),
        )


def _is_flagged(probabilities: Floats, thresholds: Mapping[str, float]) -> Floats:
    return 1 - judge(probabilities, (), thresholds)


class Swaps(Report[SwapRow]):
    """Sentences that differ in dialect or in the group they name alone."""

    name, title = "swaps", "dialect and swapped identities"

    def measure(self, context: EvaluationContext) -> Iterable[SwapRow]:
        """Dialect, then identities in English and Chinese."""
        return measure_counterfactuals(context.texts, context.thresholds.review)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[SwapRow]]:
        """One."""
        columns: Columns[SwapRow] = {
            "swap": lambda row: row.comparison,
            "group": lambda row: row.group,
            "sentences": lambda row: row.n_rows,
            "toxicity, difference": lambda row: row.difference,
            "reach review": lambda row: permille(row.flagged),
            "the others": lambda row: permille(row.flagged_otherwise),
        }
        yield Table("swaps", columns, evaluation.of(Swaps))
