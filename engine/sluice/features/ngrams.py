"""How probable each language is for a passage, by the byte n-grams in it: a naive Bayes classifier.

The n-grams and their log-probabilities are those of py3langid 0.4.0 (Lui and Baldwin 2012; Barbaresi; BSD-3-Clause),
reduced by ``python -m sluice_models.data.language_ngrams``: py3langid itself asks for NumPy 2, which the embedded
Triton does not work with.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MAX_BYTES = 2_000
"""Of a passage; what follows changes nothing any more."""


class NgramModel:
    """Scores passages of one script against the languages written in it.

    Parameters
    ----------
    file : Path
        ``.npz`` with ``ngrams`` (bytes, padded with zeros), ``weights`` (int8, n-grams by columns), ``step`` (the
        log-odds of 1), ``columns`` (the language of each column; several columns may be one language) and ``scripts``
        (the script of each column).

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    """

    def __init__(self, file: Path) -> None:
        with np.load(file) as stored:
            ngrams = [bytes(ngram) for ngram in stored["ngrams"].tolist()]
            weights, self._step = stored["weights"], float(stored["step"])
            columns, scripts, prior = stored["columns"].tolist(), stored["scripts"].tolist(), stored["prior"]
        self._automaton = Automaton(ngrams)
        self._tables = {script: _Table(script, columns, scripts, weights, prior) for script in dict.fromkeys(scripts)}

    @property
    def scripts(self) -> frozenset[str]:
        """The scripts that it tells languages apart in."""
        return frozenset(self._tables)

    def languages(self, script: str) -> tuple[str, ...]:
        """The languages of a script, in the order of `score`'s columns."""
        return self._tables[script].languages

    def score(self, script: str, passages: Sequence[str]) -> Floats:
        """Probability of each language.

        Returns
        -------
        ndarray of float32, shape = (n_passages, n_languages)
            Rows add up to 1; all the same where nothing was recognised.
        """
        table = self._tables[script]
        logits = np.zeros((len(passages), table.weights.shape[1]), np.float32)
        for row, passage in enumerate(passages):
            raw = passage.encode()[:MAX_BYTES]
            counts = self._automaton.count(raw)
            if counts:
                times = _LOG1P.take(list(counts.values()))
                # Neighbouring n-grams overlap and repeat each other: evidence grows with the root of the length.
                logits[row] = times @ table.weights.take(list(counts), 0) * (SHARPNESS * self._step / np.sqrt(len(raw)))
        return _softmax(logits + table.prior) @ table.merge


_LOG1P = np.log1p(np.arange(MAX_BYTES + 1, dtype=np.float32))
"""Of every count that there can be."""
SHARPNESS = 2.0
"""Fitted to the log-likelihood of labelled sentences (``python -m sluice_models.data.language_ngrams``)."""


def _softmax(logits: Floats) -> Floats:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


class _Table:
    """One script's columns."""

    def __init__(
        self, script: str, columns: list[str], scripts: list[str], weights: npt.NDArray[np.int8], prior: Floats
    ) -> None:
        here = [index for index, each in enumerate(scripts) if each == script]
        self.languages = tuple(dict.fromkeys(columns[index] for index in here))
        self.weights = np.ascontiguousarray(weights[:, here])
        self.prior = prior[here]
        self.merge = np.zeros((len(here), len(self.languages)), np.float32)
        for row, index in enumerate(here):
            self.merge[row, self.languages.index(columns[index])] = 1


class Automaton:
    """Finds, at every byte, the longest of many n-grams that ends there (Aho and Corasick, 1975).

    Parameters
    ----------
    ngrams : sequence of bytes
        Distinct, none empty.

    Raises
    ------
    ValueError
        If they and their beginnings are more than two bytes can number.
    """

    def __init__(self, ngrams: Sequence[bytes]) -> None:
        used = sorted(set(b"".join(ngrams)))
        self._classes = bytes(used.index(byte) + 1 if byte in used else 0 for byte in range(256))
        table = _link(ngrams, self._classes, len(used) + 1)
        self._width = table.shape[1]
        self._table = array("H", table.tobytes())
        self._longest = table[:, -1].tolist()

    def count(self, raw: bytes) -> Counter[int]:
        """How often each n-gram, by its place in `ngrams`, was the longest that ends at a byte."""
        table, width, state, states = self._table, self._width, 0, list[int]()
        for byte in raw.translate(self._classes):
            state = table[state * width + byte]
            states.append(state)
        counts = Counter(map(self._longest.__getitem__, states))
        del counts[_NOTHING]
        return counts


_NOTHING = 0xFFFF


def _link(ngrams: Sequence[bytes], classes: bytes, n_classes: int) -> npt.NDArray[np.uint16]:
    """A row per state: where each class of bytes leads, and last the n-gram that ends here.

    Built level by level: a state's row starts as that of the state for its longest ending that is one too.
    """
    levels = _prefixes_by_length(ngrams)
    states = {prefix: state for state, prefix in enumerate(prefix for level in levels for prefix in level)}
    if len(states) > _NOTHING:
        raise ValueError(f"{len(states)} n-grams and beginnings of n-grams, more than {_NOTHING}")
    table = np.zeros((len(states), n_classes + 1), np.uint16)
    table[0, -1] = _NOTHING
    place = {ngram: index for index, ngram in enumerate(ngrams)}
    for level in levels[1:]:
        here = np.array([states[prefix] for prefix in level])
        parents = np.array([states[prefix[:-1]] for prefix in level])
        steps = np.frombuffer(bytes(prefix[-1] for prefix in level).translate(classes), np.uint8)
        fallbacks = table[parents, steps]
        own = np.array([place.get(prefix, _NOTHING) for prefix in level], np.uint16)
        table[parents, steps] = here  # first: a row that is copied below may have children on this level
        table[here] = table[fallbacks]
        table[here, -1] = np.where(own == _NOTHING, table[here, -1], own)
    return table


def _prefixes_by_length(ngrams: Sequence[bytes]) -> list[list[bytes]]:
    """The beginnings of all n-grams, the empty one first, each once."""
    longest = max(map(len, ngrams))
    return [sorted({ngram[:length] for ngram in ngrams if len(ngram) >= length}) for length in range(longest + 1)]
