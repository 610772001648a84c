"""A detail that stands out is read again with what is around it, which may clear it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sluice.contract import ModelSpec
from sluice.features import UND, Features, Language, Languages, TextRow
from sluice.inference import Arrays
from sluice.inference.fake import ScriptedClassifier
from sluice.modalities.extraction import on_threads
from sluice.modalities.parts import PartScorer
from sluice.modalities.scored import ScoredPart
from sluice.modalities.text import TextModality
from sluice.schema import LABELS, Post

THREAT, SPAM = LABELS.index("threat"), LABELS.index("spam")
WHOLE, FIRST, SECOND, FIRST_WIDER, SECOND_WIDER = range(5)


def text_row(name: int) -> TextRow:
    ids = np.array([name], np.int64)
    return TextRow(ids, np.ones_like(ids), np.array([(0, 1)], np.int32))


class Asked(ScriptedClassifier):
    """Gives rows the probabilities of a table, and remembers which rows it was asked for."""

    def __init__(self, table: dict[int, dict[int, float]]) -> None:
        super().__init__(self.look_up)
        self.table = table
        self.requests: list[list[int]] = []

    def look_up(self, model: ModelSpec, row: Arrays) -> np.ndarray:
        scores = np.full(len(LABELS), 0.01, np.float32)
        for label, probability in self.table.get(int(row["input_ids"][0]), {}).items():
            scores[label] = probability
        return scores

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        self.requests.append([int(row["input_ids"][0]) for row in rows])
        return await super().infer(model, rows, deadline)


def extract(texts: list[str]) -> list[Features[TextRow]]:
    rows = tuple(map(text_row, (WHOLE, FIRST, SECOND)))
    return [Features(rows, wider={1: text_row(FIRST_WIDER), 2: text_row(SECOND_WIDER)}) for _ in texts]


def identify(texts: list[str]) -> list[Languages]:
    return [Languages(Language(UND, 0.0)) for _ in texts]


async def score(classifier: Asked) -> ScoredPart:
    modality = TextModality(extract, on_threads(ThreadPoolExecutor(1)), identify)
    (part,) = modality.parts(Post(id="1", text="x"))
    (scored,) = await PartScorer(classifier).score(part, asyncio.get_running_loop().time() + 30)
    return scored


def names(scored: ScoredPart) -> list[int]:
    return [int(row.input_ids[0]) for row in scored.rows]


def highest(scored: ScoredPart, label: int) -> float:
    return max(1 / (1 + np.exp(-float(row["logits"][label]))) for row in scored.outputs)


async def test_what_is_around_a_detail_acquits_it() -> None:
    classifier = Asked({SECOND: {THREAT: 0.9}, SECOND_WIDER: {THREAT: 0.02}})
    scored = await score(classifier)
    assert classifier.requests == [[WHOLE, FIRST, SECOND], [SECOND_WIDER]]
    assert names(scored) == [WHOLE, FIRST, SECOND_WIDER]
    assert highest(scored, THREAT) == pytest.approx(0.02, abs=1e-3)


async def test_what_is_around_a_detail_confirms_it() -> None:
    scored = await score(Asked({FIRST: {THREAT: 0.7}, FIRST_WIDER: {THREAT: 0.95, SPAM: 0.9}}))
    assert names(scored) == [WHOLE, FIRST, SECOND]
    assert highest(scored, THREAT) == pytest.approx(0.7, abs=1e-3)


async def test_a_harm_that_goes_under_in_part_is_not_cleared() -> None:
    scored = await score(Asked({FIRST: {THREAT: 0.9, SPAM: 0.5}, FIRST_WIDER: {SPAM: 0.2}}))
    assert highest(scored, THREAT) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {WHOLE: {THREAT: 0.9}},
        {WHOLE: {THREAT: 0.9}, FIRST: {THREAT: 0.8}},
        {FIRST: {THREAT: 0.09}},
    ],
    ids=["nothing found", "found in the whole", "found more clearly in the whole", "hardly anything"],
)
async def test_nothing_is_read_twice_that_does_not_stand_out(table: dict[int, dict[int, float]]) -> None:
    classifier = Asked(table)
    assert names(await score(classifier)) == [WHOLE, FIRST, SECOND]
    assert len(classifier.requests) == 1


async def test_a_detail_stands_out_by_any_label() -> None:
    classifier = Asked({WHOLE: {THREAT: 0.9}, FIRST: {THREAT: 0.8, SPAM: 0.4}})
    await score(classifier)
    assert classifier.requests[1] == [FIRST_WIDER]
