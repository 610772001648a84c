"""What the fusion finds in posts whose meaning needs two parts, next to the best that one part says alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.schema import LABELS
from sluice_models.config import TextRecipe
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals
from sluice_models.measure.scores import measure_auprc
from sluice_models.networks.fusion import N_KINDS, Fusion
from sluice_models.recipes.fusion.encoded import Encoded, Float32
from sluice_models.recipes.fusion.pairs import compose_pairs
from sluice_models.recipes.fusion.posts import PostBatch
from sluice_models.training.bundle_encoding import encode_pairs
from sluice_models.training.text_encoding import EncoderFunction
from sluice_models.training.train_fusion import score_posts

N_MEASURED = 3000
MIN_ROWS = 20
"""Of either kind, for a label to be reported."""


@dataclass(frozen=True)
class PairRow:
    """One label over composed pairs of held-out sentences and held-out media.

    Attributes
    ----------
    fused : float
        AUPRC of the fusion's score of the whole post.
    best_part : float
        The best AUPRC that a single kind of part reaches, or the highest score over the kinds.
    """

    label: str
    n_positives: int
    n_negatives: int
    fused: float
    best_part: float


def measure_pairs(
    fusion: Fusion, encoder: EncoderFunction, parts: Sequence[Encoded], recipe: TextRecipe
) -> list[PairRow]:
    """Rank posts of held-out sentences and the media in `parts` (the validation split's, as `encode_split` gives them).

    A report per label that has `MIN_ROWS` of both kinds. Where the fusion is above the best part, it reads together
    what no part says alone.
    """
    texts = encode_pairs(encoder, recipe, N_MEASURED, held_out=True)
    return report_pairs(fusion, next(compose_pairs(texts, parts, N_MEASURED)))


def report_pairs(fusion: Fusion, posts: PostBatch) -> list[PairRow]:
    """Figures of the fusion, and of each kind alone, over composed posts."""
    whole = score_posts(fusion, posts)
    alone = [score_posts(fusion, posts, kind) for kind in range(N_KINDS)]
    ways, targets = [*alone, np.max(alone, axis=0)], posts.targets.numpy()
    return [
        report
        for index, label in enumerate(LABELS)
        if (report := _report(label, whole[:, index], [way[:, index] for way in ways], targets[:, index]))
    ]


def _report(label: str, whole: Float32, ways: Sequence[Float32], targets: Float32) -> PairRow | None:
    known = ~np.isnan(targets)
    positive = targets[known] == 1
    n_positives, n_negatives = int(positive.sum()), int((~positive).sum())
    if min(n_positives, n_negatives) < MIN_ROWS:
        return None
    best = max(measure_auprc(way[known], positive) for way in ways)
    return PairRow(label, n_positives, n_negatives, measure_auprc(whole[known], positive), best)


class Pairs(Report[PairRow]):
    """The fusion on posts whose meaning needs two parts, beside the best single part."""

    name, title = "pairs", "posts whose meaning needs two parts"

    def measure(self, context: EvaluationContext) -> Iterable[PairRow]:
        """One row per label."""
        models = context.models
        return measure_pairs(models.fusion, models.text, context.parts, context.recipe)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[PairRow]]:
        """One."""
        columns: Columns[PairRow] = {
            "label": lambda row: row.label,
            "1": lambda row: row.n_positives,
            "0": lambda row: row.n_negatives,
            "fusion AUPRC": lambda row: decimals(row.fused),
            "best single part AUPRC": lambda row: decimals(row.best_part),
        }
        yield Table("pairs", columns, evaluation.of(Pairs))
