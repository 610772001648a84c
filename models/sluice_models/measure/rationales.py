"""How well token scores point at what annotators marked, and at what the model itself relies on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.intervals import Figure, Floats, draw_counts, find_interval
from sluice.modalities.text import find_spans
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals
from sluice_models.measure.score_texts import TextScorer

N_EXPLAINED = 60
"""Texts that are taken apart for comprehensiveness and sufficiency."""
N_EXPLAINABLE = 600
"""Texts among which those are looked for."""
MAJORITY = 0.5
"""A token is part of a rationale if this share of the annotators chose it."""
SHARES = (0.01, 0.05, 0.10, 0.20, 0.50)
"""Of the tokens that are taken as the rationale; the figure is the mean over them (DeYoung et al. 2020)."""
EXPLAINED = ("toxicity", "hate")
RATIONALES_OF, SPANS_OF = ("toxicity", "hate"), ("toxicity",)
"""Labels that HateXplain's rationales and the toxic spans are evidence of."""
Spans = npt.NDArray[np.int32]
Spelled = tuple[str, Spans]
"""A text and its tokens' places in it."""
MIN_SCORE = 0.5
"""A text is explained if one of these labels reaches this."""


@dataclass(frozen=True)
class EvidenceRow:
    """One measure over `n_rows` texts; `chance` is what random tokens or marking everything would get."""

    measure: str
    n_rows: int
    figure: Figure
    chance: float


def measure_overlap(found: set[int], wanted: set[int]) -> float:
    """F1 of two sets of places; 1 where both are empty (as in SemEval-2021 task 5)."""
    if not found and not wanted:
        return 1.0
    return 2 * len(found & wanted) / (len(found) + len(wanted))


def measure_spans(scorer: TextScorer, examples: Sequence[Example]) -> list[EvidenceRow]:
    """Token F1 on HateXplain's rationales, character F1 on toxic spans by language; per post, then the mean."""
    rationales = [row for row in examples if any(share >= MAJORITY for share in row.meta.get("rationale") or ())]
    spans = [row for row in examples if "spans" in row.meta]
    reports = []
    if rationales:
        read = zip(rationales, _read(scorer, rationales, RATIONALES_OF), strict=True)
        pairs = [_token_places(example, found) for example, found in read]
        every = [set(range(len(example.meta["tokens"]))) for example in rationales]
        reports.append(_report("token F1, HateXplain rationales", pairs, every))
    for language in sorted({row.lang or "" for row in spans}, key=lambda code: (code != "en", code)):
        reports += _report_characters(scorer, [row for row in spans if (row.lang or "") == language], language)
    return reports


def _report_characters(scorer: TextScorer, spans: Sequence[Example], language: str) -> Iterator[EvidenceRow]:
    """Of all texts of a language, and of those that have a marked place."""
    measure = "character F1, toxic spans" if language == "en" else f"character F1, toxic spans in {language}"
    read = zip(spans, _read(scorer, spans, SPANS_OF), strict=True)
    pairs = [(found, _character_places(example)) for example, found in read]
    every = [set(range(len(example.text or ""))) for example in spans]
    yield _report(measure, pairs, every)
    marked = [index for index, (_, wanted) in enumerate(pairs) if wanted]
    if marked:
        yield _report(f"{measure} that are not empty", [pairs[i] for i in marked], [every[i] for i in marked])


def _read(scorer: TextScorer, examples: Sequence[Example], labels: Sequence[str]) -> Iterator[set[int]]:
    """The characters that serving would point at for any of the labels, in the first window of each text."""
    texts = [example.text or "" for example in examples]
    rows = scorer.read(texts)
    for text, row, marks in zip(texts, rows, scorer.mark(rows), strict=True):
        spans = (span for label in labels for span in find_spans(text, [row], [marks[LABELS.index(label)]], label))
        yield {place for span in spans for place in range(span.start, span.end)}


def _report(measure: str, pairs: Sequence[tuple[set[int], set[int]]], every: Sequence[set[int]]) -> EvidenceRow:
    scores = np.array([measure_overlap(*pair) for pair in pairs], np.float32)
    chance = np.mean([measure_overlap(whole, wanted) for whole, (_, wanted) in zip(every, pairs, strict=True)])
    return EvidenceRow(measure, len(scores), find_mean(scores), float(chance))


def find_mean(scores: Floats) -> Figure:
    """A mean over rows, shape = (n,), with its interval."""
    counts = draw_counts(len(scores))
    return find_interval(np.asarray(counts @ scores / counts.sum(axis=1), np.float32))


def _token_places(example: Example, found: set[int]) -> tuple[set[int], set[int]]:
    """Numbers of the data set's own tokens: those with a character that was found, and those that most chose."""
    touched, position = set(), 0
    for number, token in enumerate(example.meta["tokens"]):
        start = (example.text or "").find(token, position)
        if start >= 0:
            position = start + len(token)
            if not found.isdisjoint(range(start, position)):
                touched.add(number)
    return touched, {number for number, share in enumerate(example.meta["rationale"]) if share >= MAJORITY}


def _character_places(example: Example) -> set[int]:
    """The characters that the annotators marked."""
    return {place for start, end in example.meta["spans"] for place in range(start, end)}


def measure_faithfulness(scorer: TextScorer, texts: Sequence[str], n_rows: int, seed: int = 0) -> list[EvidenceRow]:
    """Comprehensiveness and sufficiency of the token scores, next to random tokens (DeYoung et al. 2020).

    Comprehensiveness is how much the score falls without the rationale (more is better); sufficiency is how much it
    falls with the rationale alone (less is better). Both are means over rationales of `SHARES` of the tokens.
    """
    rows = scorer.read(texts)
    columns = [LABELS.index(label) for label in EXPLAINED]
    probabilities = scorer.score(texts)
    flagged = [
        i for i, found in enumerate(probabilities[:, columns]) if found.max() >= MIN_SCORE and len(rows[i].spans) > 4
    ]
    chosen = random.Random(seed).sample(flagged, min(n_rows, len(flagged)))
    if not chosen:
        return []
    labels = [columns[int(probabilities[i, columns].argmax())] for i in chosen]
    before = np.array([probabilities[i, label] for i, label in zip(chosen, labels, strict=True)], np.float32)
    kept = [(texts[i], rows[i].spans[1:-1]) for i in chosen]
    marks = scorer.mark([rows[i] for i in chosen])
    order = [found[label, 1:-1] for found, label in zip(marks, labels, strict=True)]
    ours = _measure_drops(scorer, kept, labels, before, order)
    rng = np.random.default_rng(seed)
    random_order = [rng.random(len(spans)).astype(np.float32) for _, spans in kept]
    theirs = _measure_drops(scorer, kept, labels, before, random_order)
    names = ("comprehensiveness (more is better)", "sufficiency (less is better)")
    return [
        EvidenceRow(name, len(kept), find_mean(mine), float(other.mean()))
        for name, mine, other in zip(names, ours, theirs, strict=True)
    ]


def _measure_drops(
    scorer: TextScorer, kept: Sequence[Spelled], labels: Sequence[int], before: Floats, scores: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Mean fall without, and with only, the tokens of the highest scores, shape = (n,) each."""
    pairs = [split_text(*each, order, share) for share in SHARES for each, order in zip(kept, scores, strict=True)]
    picked = np.tile(labels, len(SHARES))
    falls = []
    for side in (1, 0):
        after = scorer.score([pair[side] for pair in pairs])[np.arange(len(pairs)), picked]
        falls.append(np.asarray(before - after.reshape(len(SHARES), -1).mean(axis=0), np.float32))
    return falls[0], falls[1]


def split_text(text: str, spans: Spans, scores: Floats, share: float) -> tuple[str, str]:
    """The rationale alone and the text without it; what lies behind the last token belongs to neither.

    Characters are taken, not tokens, since a text is read in several windows.

    Parameters
    ----------
    spans : ndarray of int32, shape = (L, 2)
        Characters of each token, without special ones.
    scores : ndarray, shape = (L,)
    share : float
        Of the tokens, those of the highest scores that are the rationale; at least one.
    """
    taken = np.zeros(int(spans[:, 1].max()), np.bool_)
    for token in np.argsort(-scores, kind="stable")[: max(1, math.ceil(share * len(scores)))]:
        taken[spans[token, 0] : spans[token, 1]] = True
    alone = "".join(c if is_taken else " " for c, is_taken in zip(text, taken, strict=False))
    rest = "".join(c for c, is_taken in zip(text, taken, strict=False) if not is_taken)
    return " ".join(alone.split()), rest


class Evidence(Report[EvidenceRow]):
    """How well token scores point at what matters."""

    name, title = "evidence", "evidence"

    def measure(self, context: EvaluationContext) -> Iterable[EvidenceRow]:
        """One row per measure."""
        examples, texts = context.examples, context.texts
        every = max(1, len(examples) // N_EXPLAINABLE)
        plain = [example.text or "" for example in examples[::every] if example.lang == "en"]
        return [*measure_spans(texts, examples), *measure_faithfulness(texts, plain, N_EXPLAINED)]

    def tables(self, evaluation: Evaluation) -> Iterator[Table[EvidenceRow]]:
        """One."""
        columns: Columns[EvidenceRow] = {
            "measure": lambda row: row.measure,
            "texts": lambda row: row.n_rows,
            "figure": lambda row: row.figure,
            "chance": lambda row: decimals(row.chance),
        }
        yield Table("evidence", columns, evaluation.of(Evidence))
