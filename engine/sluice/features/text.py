"""A text to rows of token ids, each token with its place in the text as published.

A text is read as a whole, in windows, and again by its sentences.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from sluice.contract import MAX_TEXT_ROWS, TEXT_WINDOW_TOKENS
from sluice.errors import SettingsError
from sluice.features import Features, TextRow
from sluice.features.folding import fold
from sluice.features.markup import undo_markup
from sluice.features.normalisation import normalise
from sluice.features.seen import see
from sluice.features.sentences import find_sentences
from sluice.features.traces import Int32
from sluice.features.windows import (
    CAPACITY,
    MAX_WINDOWS,
    N_HEAD_WINDOWS,
    Stretch,
    count_windows,
    find_sentences_to_read,
    find_windows,
)
from sluice.resources import text_file

MAX_WHOLE_CHARS = 64 * 1024
"""Longer texts are sampled before they are tokenised, so that the work per post is bounded."""
START, END = "<s>", "</s>"
"""Around the pieces of a row, and all that a row without any has."""
BLANK = "\u2581"
"""The piece for a space alone, in vocabularies that keep spaces."""

_ONES = np.ones(TEXT_WINDOW_TOKENS, np.int64)
_ONES.flags.writeable = False
_HEAD_CHARS = 16 * 1024
_SLICE_CHARS = 1024


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text as its reader gets it.

    Attributes
    ----------
    origin : ndarray of int32, shape = (len(text) + 1,)
        Where in the text as published each character comes from.
    sentences : list of int
        Where in `text` each sentence begins, from 0 on.
    """

    text: str
    origin: Int32
    sentences: list[int]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A text in word pieces.

    Attributes
    ----------
    ids : ndarray of int64, shape = (n,)
    spans : ndarray of int32, shape = (n, 2)
        In the text as published; none for a space alone.
    sentences : list of int
        The pieces that sentences begin with, from 0 on.
    """

    ids: npt.NDArray[np.int64]
    spans: Int32
    sentences: list[int]


class TextExtractor:
    """Tokenises texts as the text encoder was trained to read them.

    Parameters
    ----------
    tokenizer_file : Path, optional
        `tokenizers` JSON file whose vocabulary has `START` and `END`; the one shipped beside this module by default.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    SettingsError
        If its vocabulary lacks one of them.
    """

    def __init__(self, tokenizer_file: Path | None = None) -> None:
        file = tokenizer_file or text_file("tokenizer.json")
        self._tokenizer = _load(file)
        self._start_id, self._end_id, self._blank_id = map(self._tokenizer.token_to_id, (START, END, BLANK))
        if self._start_id is None or self._end_id is None:
            raise SettingsError(f"{file}: its vocabulary lacks {START} or {END}; adopt the encoder anew")

    def extract(self, text: str) -> Features[TextRow]:
        """Rows of one text; see `extract_batch`."""
        return self.extract_batch([text])[0]

    def extract_batch(self, texts: Sequence[str]) -> list[Features[TextRow]]:
        """Rows of several texts, tokenised together.

        Parameters
        ----------
        texts : sequence of str
            Any code points, also none at all: every text has at least one row.

        Returns
        -------
        list of Features[TextRow]
            One for each text. First windows of `TEXT_WINDOW_TOKENS` that overlap by `OVERLAP_TOKENS`; of a text with
            more than `MAX_WINDOWS` the first ones and others spread evenly up to the last, and `partial` says so. Then
            sentences, up to `MAX_TEXT_ROWS` rows in all; `wider` holds them with their neighbours.
        """
        readings = [_read_whole(text) for text in texts]
        pieces = iter(self._tokenise([each for each in readings if each is not None]))
        return [
            self._sample(text) if each is None else self._cut(next(pieces))
            for text, each in zip(texts, readings, strict=True)
        ]

    def _tokenise(self, readings: Sequence[_Reading]) -> list[_Pieces]:
        if not readings:
            return []
        encodings = self._tokenizer.encode_batch([each.text for each in readings], add_special_tokens=False)
        return [_locate(*each, self._blank_id) for each in zip(encodings, readings, strict=True)]

    def _cut(self, pieces: _Pieces) -> Features[TextRow]:
        """Windows over a text, then its sentences; each but once."""
        n_pieces = len(pieces.ids)
        windows = find_windows(n_pieces)
        rows = [self._make_row(pieces, window) for window in windows]
        if len(pieces.sentences) == 1:  # then it has no neighbours
            return Features(tuple(rows), _describe_rest(len(windows), n_pieces))
        wider: dict[int, TextRow] = {}
        known = {row.input_ids.tobytes() for row in rows}
        for sentence in find_sentences_to_read(pieces.sentences, n_pieces, MAX_TEXT_ROWS - len(windows)):
            own, around = (self._make_row(pieces, each) for each in (sentence.own, sentence.wider))
            key = own.input_ids.tobytes() + around.input_ids.tobytes()
            if key not in known:
                known.add(key)
                wider[len(rows)] = around
                rows.append(own)
        return Features(tuple(rows), _describe_rest(len(windows), n_pieces), wider=wider)

    def _sample(self, text: str) -> Features[TextRow]:
        """Windows of a text that is too long to tokenise: its head, and slices spread over the rest."""
        starts = [0, *_spread_slices(len(text))]
        stops = [_HEAD_CHARS, *(start + _SLICE_CHARS for start in starts[1:])]
        slices = self._tokenise([_read_slice(text, *ends) for ends in zip(starts, stops, strict=True)])
        head, *middle, tail = slices
        rows = [self._make_row(head, window) for window in find_windows(len(head.ids))[:N_HEAD_WINDOWS]]
        rows += [self._make_row(pieces, (0, min(CAPACITY, len(pieces.ids)))) for pieces in middle]
        rows.append(self._make_row(tail, (max(0, len(tail.ids) - CAPACITY), len(tail.ids))))
        return Features(tuple(rows), f"{len(rows)} of about {_estimate_windows(len(text), slices)} windows read")

    def _make_row(self, pieces: _Pieces, stretch: Stretch) -> TextRow:
        ids = pieces.ids[slice(*stretch)]
        input_ids = np.empty(len(ids) + 2, np.int64)
        input_ids[0], input_ids[1:-1], input_ids[-1] = self._start_id, ids, self._end_id
        spans = np.zeros((len(input_ids), 2), np.int32)
        spans[1:-1] = pieces.spans[slice(*stretch)]
        return TextRow(input_ids, _ONES[: len(input_ids)], spans)


def _load(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a post that spells "</s>" means four characters, not our end
    return tokenizer


def _describe_rest(n_read: int, n_pieces: int) -> str | None:
    n_windows = count_windows(n_pieces)
    return f"{n_read} of {n_windows} windows read" if n_read < n_windows else None


def _locate(encoding: Encoding, reading: _Reading, blank_id: int | None) -> _Pieces:
    """Word pieces and where they come from: from their first character that is no space to behind their last one.

    Most texts have a few dozen pieces, which Python goes through faster than NumPy is called.
    """
    text, origin, begins = reading.text, reading.origin.tolist(), list[int]()
    spans = list[int]()
    for start, stop in encoding.offsets:
        begin = start + 1 if stop - start > 1 and text[start] == " " else start
        begins.append(begin)
        first, last = origin[begin], origin[stop - 1 if stop else 0]
        if first <= last:
            spans += (first, max(origin[stop], last + 1))
        else:  # half of an expanded ligature still covers the ligature: a span is never empty
            spans += (last, first + 1)
    ids = np.array(encoding.ids, np.int64)
    places = np.array(spans, np.int32).reshape(-1, 2)
    if blank_id is not None:
        places[ids == blank_id] = 0
    sentences = [0] if len(reading.sentences) == 1 else sorted({bisect_left(begins, at) for at in reading.sentences})
    return _Pieces(ids, places, sentences)


def _read_whole(text: str) -> _Reading | None:
    """A text as its reader gets it, or None if it is too long; NFKC makes up to 18 characters out of one."""
    if len(text) > MAX_WHOLE_CHARS:
        return None
    seen = see(text)
    shown, outer = seen.shown
    if len(shown) > MAX_WHOLE_CHARS or len(seen.normalised[0]) > MAX_WHOLE_CHARS:
        return None
    read, inner = seen.folded
    sentences = find_sentences(shown)
    starts = [0] if len(sentences) == 1 else np.searchsorted(inner, sentences).tolist()
    return _set_apart(read, outer[inner], starts)


def _set_apart(text: str, origin: Int32, starts: list[int]) -> _Reading:
    """A text with a space before each sentence, also where its script has none: so it begins as a text of its own."""
    gaps = [start for start in starts if 0 < start < len(text) and text[start - 1] != " "]
    if not gaps:
        return _Reading(text, origin, starts)
    spaced = " ".join(text[start:stop] for start, stop in pairwise([0, *gaps, len(text)]))
    return _Reading(spaced, np.insert(origin, gaps, origin[gaps]), [each + bisect_right(gaps, each) for each in starts])


def _read_slice(text: str, start: int, stop: int) -> _Reading:
    shown, outer = undo_markup(text[start:stop])
    normalised, middle = normalise(shown)
    read, inner = fold((normalised[:MAX_WHOLE_CHARS], middle[: MAX_WHOLE_CHARS + 1]))
    return _Reading(read, outer[inner] + np.int32(start), [0])


def _spread_slices(n_chars: int) -> Iterator[int]:
    last = max(0, n_chars - _SLICE_CHARS)
    starts = np.linspace(min(_HEAD_CHARS, last), last, MAX_WINDOWS - N_HEAD_WINDOWS)
    return (int(start) for start in starts)


def _estimate_windows(n_chars: int, slices: Sequence[_Pieces]) -> int:
    n_read_chars = _HEAD_CHARS + _SLICE_CHARS * (len(slices) - 1)
    n_read_tokens = sum(len(pieces.ids) for pieces in slices)
    return max(MAX_WINDOWS, count_windows(round(n_read_tokens * n_chars / n_read_chars)))
