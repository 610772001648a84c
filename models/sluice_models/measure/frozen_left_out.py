"""Sources left out, by heads on a frozen encoder: ``python -m sluice_models.measure.frozen_left_out --bundle DIR``.

A training of the text encoder without a source takes an hour of a core; a head takes seconds. So each source with rows
of both kinds is left out by itself. Beside that stands what the same head reaches on rows of the source after seeing
others of its rows: a source whose labels cannot be learned from its own rows says little about what others teach.

Heads are logistic regressions: on embeddings of multilingual-e5-small that no training of ours has touched, on n-grams
of letters and words, and the mean of both. Every source weighs the same in training, and in it both kinds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from sluice.intervals import Bools, Figure, Floats
from sluice.schema import LABELS
from sluice_models.config import RUNS
from sluice_models.console import report_errors
from sluice_models.data.bundle import Example, read_texts
from sluice_models.data.duplicates import normalise_text
from sluice_models.measure.frozen import embed_sources, load_frozen
from sluice_models.measure.source_figures import MIN_ROWS, Sample, compare, sample_source

MEASURED = ("hate", "threat", "violence", "self_harm", "sexual")
LANGUAGE = "en"
N_ROWS = 1_000
"""Of a source, and as many with rare labels."""
STRENGTHS = {"embeddings": 1e-3, "n-grams": 1.0}
"""Inverse of the regularisation of each kind of features; chosen beforehand, not by what is measured."""
BOTH, OWN = "both", "own rows"
N_HASHES = 2**18
"""Places for n-grams of each kind."""
N_PARTS = 5
"""Into which a source's own rows are cut."""
Features = Any
"""Rows of features, shape = (n, features); dense or sparse."""
Names = npt.NDArray[np.object_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Rows of many sources.

    Attributes
    ----------
    texts, sources : ndarray of str, shape = (n,)
        Texts as they are compared.
    truths : ndarray, shape = (n, labels)
    weights : ndarray, shape = (n,)
        How many rows of its source each stands for.
    embedded : ndarray, shape = (n, width)
    counted : sparse matrix, shape = (n, n-grams)
    """

    texts: Names
    sources: Names
    truths: Floats
    weights: Floats
    embedded: Floats
    counted: Features

    def known(self, label: str) -> tuple[Places, Bools]:
        """Rows that are annotated for a label, and which of them are positive, shape = (n,) each."""
        column = self.truths[:, LABELS.index(label)]
        places = np.flatnonzero(~np.isnan(column))
        return places, column[places] == 1


@dataclass(frozen=True)
class Fold:
    """Rows to train on and to test on, shapes = (n,) and (m,), and which of either are positive."""

    train: Places
    taught: Bools
    test: Places
    positive: Bools


@dataclass(frozen=True)
class HeadRow:
    """How a head ranks one source's rows; `head` is a kind of features, or `BOTH`, or `OWN` for own rows alone."""

    label: str
    source: str
    head: str
    n_positives: int
    n_negatives: int
    base_rate: float
    auroc: Figure
    auprc: Figure


@dataclass(frozen=True)
class HeadMean:
    """Plain means over the sources that a head was measured on."""

    label: str
    head: str
    n_sources: int
    base_rate: float
    auroc: float
    auprc: float


def gather(sampled: Mapping[str, Sample], embedded: Floats) -> Corpus:
    """The sampled rows of every source, in order, with their embeddings, shape = (n, width)."""
    rows = [row for sample in sampled.values() for row in sample.rows]
    texts = [row.text or "" for row in rows]
    return Corpus(
        texts=np.array([normalise_text(text) for text in texts], object),
        sources=np.array([row.source for row in rows], object),
        truths=np.stack([row.targets for row in rows]),
        weights=np.concatenate([sample.weights for sample in sampled.values()]),
        embedded=embedded,
        counted=count_ngrams(texts),
    )


def sample_all(examples: Iterable[Example], n_rows: int = N_ROWS) -> dict[str, Sample]:
    """Rows of every source that has one of the harms, texts of `LANGUAGE` alone."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for row in examples:
        if row.lang == LANGUAGE:
            groups[row.source].append(row)
    return {
        source: sample_source(rows, n_rows, n_rare=n_rows) for source, rows in sorted(groups.items()) if _teach(rows)
    }


def _teach(rows: Iterable[Example]) -> bool:
    columns = [LABELS.index(label) for label in MEASURED]
    return any((row.targets[columns] == 1).any() for row in rows)


def find_measurable(corpus: Corpus, label: str) -> list[str]:
    """Sources with enough rows of both kinds, where the others have both kinds too."""
    places, positive = corpus.known(label)
    own = corpus.sources[places]
    return sorted(source for source in set(own) if _can_measure(positive[own == source], positive[own != source]))


def _can_measure(own: Bools, others: Bools) -> bool:
    return bool(min(own.sum(), (~own).sum()) >= MIN_ROWS and 0 < others.sum() < len(others))


def leave_out(corpus: Corpus, label: str, source: str) -> Fold:
    """One source's annotated rows against those of all others, without texts that it has too."""
    places, positive = corpus.known(label)
    is_own = corpus.sources[places] == source
    texts = corpus.texts[places]
    is_other = ~is_own & ~np.isin(texts, texts[is_own])
    return Fold(places[is_other], positive[is_other], places[is_own], positive[is_own])


def balance(sources: Names, positive: Bools) -> Floats:
    """Weights of rows, shape = (n,), of mean 1: every source counts as much, and in it either kind."""
    weights = np.zeros(len(sources), np.float32)
    for source in set(sources):
        for kind in (positive, ~positive):
            chosen = (sources == source) & kind
            weights[chosen] = 1 / max(chosen.sum(), 1)
    return np.asarray(weights * len(weights) / weights.sum(), np.float32)


def centre(features: Floats, sources: Names, positive: Bools) -> Floats:
    """Features, shape = (n, width), less what tells one source from another where it has both kinds of rows."""
    centred = features.copy()
    for source in set(sources):
        kinds = [(sources == source) & kind for kind in (positive, ~positive)]
        if all(kind.any() for kind in kinds):
            centred[kinds[0] | kinds[1]] -= np.mean([features[kind].mean(axis=0) for kind in kinds], axis=0)
    return centred


def score_embeddings(embedded: Floats, sources: Names, fold: Fold) -> Floats:
    """Scores of the rows to test on, shape = (m,), by a head on embeddings."""
    scaler = StandardScaler().fit(embedded[fold.train])
    own = sources[fold.train]
    features = centre(scaler.transform(embedded[fold.train]), own, fold.taught)
    return _fit(features, own, fold.taught, "embeddings")(scaler.transform(embedded[fold.test]))


def score_ngrams(counted: Features, sources: Names, fold: Fold) -> Floats:
    """The same, shape = (m,), by a head on n-grams."""
    return _fit(counted[fold.train], sources[fold.train], fold.taught, "n-grams")(counted[fold.test])


def count_ngrams(texts: Sequence[str]) -> Features:
    """N-grams of letters and of words, hashed: what there is in one text depends on no other; sparse."""
    kinds = {"char_wb": (2, 5), "word": (1, 2)}
    counters = [
        HashingVectorizer(analyzer=kind, ngram_range=lengths, n_features=N_HASHES, alternate_sign=False, binary=True)
        for kind, lengths in kinds.items()
    ]
    return sparse.hstack([counter.transform(texts) for counter in counters]).tocsr()


def _fit(features: Features, sources: Names, positive: Bools, kind: str) -> Callable[[Features], Floats]:
    head = LogisticRegression(C=STRENGTHS[kind], max_iter=300)
    return head.fit(features, positive, balance(sources, positive)).decision_function  # type: ignore[no-any-return]


def score_left_out(corpus: Corpus, fold: Fold) -> dict[str, Floats]:
    """Scores of a source's rows, shape = (m,), by each head that saw none of them."""
    scores = {
        "embeddings": score_embeddings(corpus.embedded, corpus.sources, fold),
        "n-grams": score_ngrams(corpus.counted, corpus.sources, fold),
    }
    return {**scores, BOTH: np.asarray(np.mean([standardise(each) for each in scores.values()], axis=0), np.float32)}


def standardise(scores: Floats) -> Floats:
    """Scores, shape = (m,), of mean 0 and variance 1, so that two heads weigh the same."""
    return np.asarray((scores - scores.mean()) / max(float(scores.std()), 1e-9), np.float32)


def score_own(corpus: Corpus, fold: Fold) -> Floats:
    """Scores, shape = (m,), each by a head that saw four in five of the source's other rows: what its labels allow."""
    test, positive, scores = fold.test, fold.positive, np.zeros(len(fold.test), np.float32)
    for seen, unseen in StratifiedKFold(N_PARTS, shuffle=True, random_state=0).split(test, positive):
        own = Fold(test[seen], positive[seen], test[unseen], positive[unseen])
        scores[unseen] = standardise(score_embeddings(corpus.embedded, corpus.sources, own))
    return scores


def measure_source(corpus: Corpus, label: str, source: str) -> Iterator[HeadRow]:
    """Every head on one source."""
    fold = leave_out(corpus, label, source)
    scores = {**score_left_out(corpus, fold), OWN: score_own(corpus, fold)}
    positive, weights = fold.positive, corpus.weights[fold.test]
    counts = int(positive.sum()), int((~positive).sum()), float(weights[positive].sum() / weights.sum())
    for head, found in scores.items():
        figures = compare(found, positive, weights)
        if figures:
            yield HeadRow(label, source, head, *counts, *figures)


def average(rows: Iterable[HeadRow]) -> Iterator[HeadMean]:
    """Plain means over sources, by label and head."""
    groups: dict[tuple[str, str], list[HeadRow]] = defaultdict(list)
    for row in rows:
        groups[row.label, row.head].append(row)
    for (label, head), own in groups.items():
        columns = [(row.base_rate, row.auroc.value, row.auprc.value) for row in own]
        yield HeadMean(label, head, len(own), *np.mean(columns, axis=0).tolist())


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    runs: Annotated[Path, typer.Option(help="Where embeddings are kept; a run resumes there.")] = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="One figure a line.")] = False,
) -> None:
    """Leave out every English source with rows of both kinds, label by label, and print how its rows are ranked."""
    with report_errors():
        sampled = sample_all([*read_texts(bundle, "train"), *read_texts(bundle, "val")])
        texts = {source: sample.rows for source, sample in sampled.items()}
        embedded = np.concatenate(list(embed_sources(load_frozen, texts, runs / "frozen").values()))
    rows = _show(measure_all(gather(sampled, embedded)), as_json)
    if not as_json:
        typer.echo(tabulate_means(rows))


def measure_all(corpus: Corpus) -> Iterator[HeadRow]:
    """Every source that can be measured, label by label."""
    for label in MEASURED:
        for source in find_measurable(corpus, label):
            yield from measure_source(corpus, label, source)


def _show(rows: Iterable[HeadRow], as_json: bool) -> list[HeadRow]:
    """Print each row as soon as it is there."""
    shown = []
    if not as_json:
        typer.echo("| label | source | head | 1 | 0 | base rate | AUROC | AUPRC |\n" + "| --- " * 8 + "|")
    for row in rows:
        typer.echo(json.dumps(asdict(row)) if as_json else write_row(row))
        shown.append(row)
    return shown


def write_row(row: HeadRow) -> str:
    """A line of the table."""
    counts = f"{row.n_positives} | {row.n_negatives} | {row.base_rate:.2f}"
    return f"| {row.label} | {row.source} | {row.head} | {counts} | {row.auroc} | {row.auprc} |"


def tabulate_means(rows: Iterable[HeadRow]) -> str:
    """The table of the means."""
    lines = ["", "| label | head | sources | base rate | AUROC, mean | AUPRC, mean |", "| --- " * 6 + "|"]
    for mean in average(rows):
        figures = f"{mean.base_rate:.2f} | {mean.auroc:.3f} | {mean.auprc:.3f}"
        lines.append(f"| {mean.label} | {mean.head} | {mean.n_sources} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
