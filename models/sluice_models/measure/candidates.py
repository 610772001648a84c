"""Compares the readers of a text that were candidates to be served: MiniLM, the byte tower, and both together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice.intervals import Bools, Floats
from sluice.schema import HARMS, LABELS
from sluice_models.config import TextSampling
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.obfuscation import TRICKS, obfuscate
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals, percent
from sluice_models.measure.scores import measure_auprc
from sluice_models.networks.text import TextEncoder, join_tokens
from sluice_models.recipes.text.texts import TextBatch, collate, prepare
from sluice_models.training.checkpoint import build_text_encoder, checkpoint_file, load_state
from sluice_models.training.train_towers import TowerClassifier

N_ROWS = 4_000
"""Texts that every candidate reads, evenly spread over the split."""
N_TRICKED = 600
"""English texts that are read again, each under one trick in turn."""
N_BATCH = 64
MIN_POSITIVES = 10
ACCURACY_SOURCE = "cold"
Read = Callable[[TextBatch], Tensor]


@dataclass(frozen=True)
class CandidateRow:
    """One candidate.

    Attributes
    ----------
    n_parameters : int
    ms_per_text : float
        In torch on one thread in batches of `N_BATCH`.
    english, chinese, hate : float
        AUPRC of toxicity in English and in Chinese, and of hate.
    mean : float
        AUPRC, mean over the labels with at least `MIN_POSITIVES` rows of either kind.
    cold_accuracy : float
        Of toxicity in COLD, at the threshold that is best on the other half of its rows.
    kept : float
        Share of the toxicity AUPRC that is left under obfuscation, English.
    """

    name: str
    n_parameters: int
    ms_per_text: float
    english: float
    chinese: float
    hate: float
    mean: float
    cold_accuracy: float
    kept: float


def compare_candidates(
    encoder: TextEncoder, examples: Sequence[Example], sampling: TextSampling, runs: Path
) -> list[CandidateRow]:
    """Towers trained alone, if their checkpoints are in `runs`; then what is served, whole and by one tower."""
    chosen = list(examples)[:: max(1, len(examples) // N_ROWS)]
    return [_measure(name, read, n, chosen, sampling) for name, read, n in _candidates(encoder, runs)]


def _candidates(encoder: TextEncoder, runs: Path) -> list[tuple[str, Read, int]]:
    alone = build_text_encoder()
    words, pieces = TowerClassifier(alone.words), TowerClassifier(alone.bytes)
    found: list[tuple[str, Read, int]] = []
    if all(checkpoint_file(runs, name).is_file() for name in ("words", "bytes")):
        for model, name in ((words, "words"), (pieces, "bytes")):
            load_state(model.eval(), name, runs)
        found += [
            ("MiniLM, fine-tuned alone", lambda batch: words.head(_by_words(alone, batch)), _count(words)),
            ("byte tower, trained alone", lambda batch: pieces.head(_by_bytes(alone, batch)), _count(pieces)),
        ]
    return [
        *found,
        ("served: its MiniLM only", lambda batch: encoder.head(_by_words(encoder, batch)), _count(encoder.words)),
        ("served: its byte tower only", lambda batch: encoder.head(_by_bytes(encoder, batch)), _count(encoder.bytes)),
        ("served: both towers", lambda batch: encoder.head(_by_both(encoder, batch)), _count(encoder)),
    ]


def _by_words(encoder: TextEncoder, batch: TextBatch) -> Tensor:
    return encoder.words(batch.input_ids, batch.attention_mask)[0]  # type: ignore[no-any-return]


def _by_bytes(encoder: TextEncoder, batch: TextBatch) -> Tensor:
    return encoder.bytes(batch.byte_ids, batch.byte_mask)  # type: ignore[no-any-return]


def _by_both(encoder: TextEncoder, batch: TextBatch) -> Tensor:
    return join_tokens(_by_words(encoder, batch), _by_bytes(encoder, batch))


def _count(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def _measure(name: str, read: Read, n_parameters: int, examples: list[Example], sampling: TextSampling) -> CandidateRow:
    start_s = time.monotonic()
    scores = _score(read, examples, sampling)
    ms_per_text = (time.monotonic() - start_s) * 1000 / len(examples)
    targets = np.stack([example.targets for example in examples])
    language = np.array([example.lang for example in examples])
    toxicity = LABELS.index("toxicity")
    known = _known(examples, targets, toxicity)
    per_label = [_auprc(scores, targets, i, np.ones(len(targets), np.bool_)) for i in range(len(HARMS))]
    return CandidateRow(
        name=name,
        n_parameters=n_parameters,
        ms_per_text=ms_per_text,
        english=_auprc(scores, targets, toxicity, language == "en"),
        chinese=_auprc(scores, targets, toxicity, language == "zh"),
        hate=_auprc(scores, targets, LABELS.index("hate"), np.ones(len(targets), np.bool_)),
        mean=float(np.nanmean(per_label)),
        cold_accuracy=measure_accuracy(scores[known, toxicity], targets[known, toxicity] == 1),
        kept=_kept(read, examples, sampling),
    )


def _score(read: Read, examples: Sequence[Example], sampling: TextSampling) -> Floats:
    """Logits, shape = (n, labels)."""
    rows = prepare(list(examples), TextExtractor(), sampling)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    with torch.inference_mode():
        chunks = [order[start : start + N_BATCH] for start in range(0, len(order), N_BATCH)]
        scored = [read(collate([rows[index] for index in chunk])).numpy() for chunk in chunks]
    return np.asarray(np.concatenate(scored)[np.argsort(order)], np.float32)


def _auprc(scores: Floats, targets: Floats, label: int, chosen: Bools) -> float:
    known = chosen & ~np.isnan(targets[:, label])
    positive = targets[known, label] == 1
    if min(positive.sum(), (~positive).sum()) < MIN_POSITIVES:
        return float("nan")
    return measure_auprc(scores[known, label], positive)


def _known(examples: Sequence[Example], targets: Floats, label: int) -> Bools:
    """Rows of `ACCURACY_SOURCE` that say whether they have the label."""
    of_source = np.array([example.source == ACCURACY_SOURCE for example in examples])
    return np.asarray(of_source & ~np.isnan(targets[:, label]))


def measure_accuracy(scores: Floats, positive: Bools) -> float:
    """Mean over both halves, each at the threshold that is best on the other; NaN for a handful of rows.

    Parameters
    ----------
    scores, positive : ndarray, shape = (n,)
    """
    if len(scores) < 2 * MIN_POSITIVES:
        return float("nan")
    halves = np.arange(len(scores)) % 2 == 0
    return float(np.mean([_accuracy_beside(scores, positive, half) for half in (halves, ~halves)]))


def _accuracy_beside(scores: Floats, positive: Bools, half: Bools) -> float:
    others = scores[~half]
    threshold = max(others, key=lambda limit: float(((others >= limit) == positive[~half]).mean()))
    return float(((scores[half] >= threshold) == positive[half]).mean())


def _kept(read: Read, examples: Sequence[Example], sampling: TextSampling) -> float:
    """Every text under one trick in turn: AUPRC of toxicity over that of the same texts as they are."""
    label = LABELS.index("toxicity")
    rows = [example for example in examples if example.lang == "en" and not np.isnan(example.targets[label])]
    rows = rows[:: max(1, len(rows) // N_TRICKED)]
    rng, tricks = random.Random(0), list(TRICKS)
    tricked = [
        _respell(example, obfuscate(example.text or "", tricks[place % len(tricks)], rng))
        for place, example in enumerate(rows)
    ]
    targets, every = np.stack([example.targets for example in rows]), np.ones(len(rows), np.bool_)
    before, after = (_auprc(_score(read, texts, sampling), targets, label, every) for texts in (rows, tricked))
    return after / before


def _respell(example: Example, text: str) -> Example:
    return Example(example.key, text, None, example.lang, example.targets, example.source)


class Candidates(Report[CandidateRow]):
    """The readers of a text that were candidates to be served."""

    name, title = "candidates", "candidates for reading texts"

    def measure(self, context: EvaluationContext) -> Iterable[CandidateRow]:
        """One row per candidate."""
        return compare_candidates(context.models.text, context.examples, context.sampling, context.runs)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[CandidateRow]]:
        """One."""
        columns: Columns[CandidateRow] = {
            "reader": lambda row: row.name,
            "M parameters": lambda row: f"{row.n_parameters / 1e6:.1f}",
            "ms a text": lambda row: f"{row.ms_per_text:.1f}",
            "toxicity, English": lambda row: decimals(row.english),
            "toxicity, Chinese": lambda row: decimals(row.chinese),
            "hate": lambda row: decimals(row.hate),
            "mean of the labels": lambda row: decimals(row.mean),
            "COLD accuracy": lambda row: decimals(row.cold_accuracy),
            "toxicity kept under tricks": lambda row: percent(row.kept),
        }
        yield Table("candidates", columns, evaluation.of(Candidates))
