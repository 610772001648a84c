"""Text: part of the post itself, tokenised together with other posts' texts, its evidence spans of characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.contract import LABELS, MODALITIES, TEXT_ENCODER
from sluice.features import Features, Languages, TextRow
from sluice.inference import Arrays
from sluice.logits import sigmoid
from sluice.microbatch import MicroBatcher
from sluice.modalities.base import Modality, Part
from sluice.modalities.extraction import Runner, run_here
from sluice.modalities.marks import Floats, find_runs, mark_near_peak
from sluice.modalities.words import widen_to_words
from sluice.schema import Post, TextEvidence

SHORT_CHARACTERS = 2_000
"""Longer texts go alone, so that nobody waits for them."""
MAX_TOGETHER = 64
BRIEF_CHARACTERS = 500
"""Of texts together, that are read on the spot: that takes about a millisecond. A hop to a thread and back takes a
quarter of a millisecond of CPU, which while little waits is spent on one text alone."""
SHARE_OF_BEST = 0.5
"""Of the highest probability of a label among rows: those from here on are shown as its evidence."""
SHARE_OF_PEAK = 0.5
"""Of a label's highest token score: tokens from here on are pointed at. Whom a harm is about belongs to it."""
SHARE_OF_PEAK_OF_WORDS = 0.85
"""The same for labels that hang on single words; both shares were chosen on one half of the validation rows."""
LABELS_OF_WORDS = frozenset({"toxicity", "profanity"})

ExtractTexts = Callable[[list[str]], list[Features[TextRow]]]
"""Texts to features, in order."""
IdentifyTexts = Callable[[list[str]], list[Languages]]
"""Texts to their languages, in order."""


class TextModality(Modality[str, TextRow]):
    """The post's text.

    Texts are extracted in batches of whatever came while the batch before was under way; one on its own goes at once.

    Parameters
    ----------
    extract_batch : callable
        See `ExtractTexts`.
    run : Runner
        Where all but brief batches are extracted.
    identify : callable
        See `IdentifyTexts`; runs beside `extract_batch`.
    """

    name = "text"
    model = TEXT_ENCODER
    kind = MODALITIES.index("text")

    def __init__(self, extract_batch: ExtractTexts, run: Runner, identify: IdentifyTexts) -> None:
        self._extract_batch = extract_batch
        self._identify = identify
        self._run = run
        self._batcher = MicroBatcher(self._extract_together, _choose)

    def parts(self, post: Post) -> Sequence[Part]:
        """The text, unless it is empty."""
        return [Part(self, self.name, post.text)] if post.text else []

    def fetch(self, part: Part) -> AbstractAsyncContextManager[str]:
        """The text itself."""
        return nullcontext(part.source)

    async def extract(self, source: str) -> Features[TextRow]:
        """See `Modality.extract`."""
        is_short = len(source) <= SHORT_CHARACTERS
        return (await (self._batcher.run(source) if is_short else self._extract_together([source])))[0]

    async def _extract_together(self, texts: list[str]) -> list[Features[TextRow]]:
        run = run_here if sum(map(len, texts)) <= BRIEF_CHARACTERS else self._run
        return await run(self._read, texts)

    def _read(self, texts: list[str]) -> list[Features[TextRow]]:
        found = zip(self._extract_batch(texts), self._identify(texts), strict=True)
        return [replace(features, languages=languages) for features, languages in found]

    def evidence(
        self, part: Part, rows: Sequence[TextRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[TextEvidence, ...]:
        """Where the label is read in the text."""
        n = LABELS.index(label)
        telling = _find_telling([float(row["logits"][n]) for row in outputs])
        token_scores = [outputs[i][self.model.evidence.name][n] for i in telling]
        return find_spans(part.source, [rows[i] for i in telling], token_scores, label)


def _choose(texts: Sequence[str]) -> range:
    return range(min(len(texts), MAX_TOGETHER))


def _find_telling(logits: list[float]) -> list[int]:
    """Rows that show a label at least half as probably as the row that shows it best: the others' marks mean little."""
    probability = sigmoid(np.array(logits, np.float64))
    return [int(n) for n in np.flatnonzero(probability >= SHARE_OF_BEST * probability.max())]


def find_spans(
    text: str, rows: Sequence[TextRow], token_scores: Sequence[Floats], label: str
) -> tuple[TextEvidence, ...]:
    """Spans of the published text, in order and of whole words; rows that overlap give one span.

    Parameters
    ----------
    token_scores : sequence of ndarray, shape = (L,)
        The label's scores per row, in [0, 1].
    """
    share = SHARE_OF_PEAK_OF_WORDS if label in LABELS_OF_WORDS else SHARE_OF_PEAK
    spans, scores = _average(np.concatenate([row.spans for row in rows]), np.concatenate(token_scores))
    runs = find_runs(spans[:, 0], spans[:, 1], scores, gap=1, mark=partial(mark_near_peak, share=share))
    words = (widen_to_words(text, int(start), int(end)) for start, end in runs)
    return tuple(TextEvidence(start, end) for start, end in _join([each for each in words if each[0] < each[1]]))


def _average(spans: npt.NDArray[Any], scores: Floats) -> tuple[npt.NDArray[Any], Floats]:
    """Each span once, with the mean of its scores: a sentence and the whole text that it is in read the same tokens."""
    once, places = np.unique(spans, axis=0, return_inverse=True)
    places = places.reshape(-1)
    return once, np.bincount(places, scores, len(once)) / np.bincount(places, minlength=len(once))


def _join(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those joined that touch or have one character between them."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
