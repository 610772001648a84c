"""A text to rows of token ids, each token with its place in the text as published.

`folding` undoes what hides words before a text is cut into word pieces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from sluice.contract import MAX_TEXT_ROWS
from sluice.features import TEXT_WINDOW_TOKENS, Features, TextRow
from sluice.features.folding import fold
from sluice.resources import text_file

OVERLAP_TOKENS = 32
"""Tokens that a window shares with the one before, so that nothing is cut in two in every window."""
MAX_WINDOWS = MAX_TEXT_ROWS
MAX_WHOLE_CHARS = 64 * 1024
"""Longer texts are sampled before they are tokenised, so that the work per post is bounded."""

_CAPACITY = TEXT_WINDOW_TOKENS - 2  # START and END
_STEP = _CAPACITY - OVERLAP_TOKENS
_N_HEAD_WINDOWS = 8  # a text says first what it is about: these are read without gaps
_HEAD_CHARS = 16 * 1024
_SLICE_CHARS = 1024

_WHITESPACE = {ord(character): " " for character in "\t\n\v\f\r\x85\u2028\u2029"}
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Invisible, yet neither Cc nor Cf: combining grapheme joiner, Hangul fillers, Khmer vowels, variation selectors.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0000-\U000e0fff]")
# Jamo of every width and half-width kana marks: not combining by category, but NFKC joins them to what is before.
_JOINING = "\u1160-\u11ff\u3131-\u3163\uff9e-\uff9f\uffa0-\uffdc"
_DROPPED = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u115f\u3164\U000e0000-\U000e0fff"
_MAX_JOINED = 30
"""Unicode's stream-safe limit (UAX 15): sorting longer runs of marks takes quadratic time."""

Int32 = npt.NDArray[np.int32]
Tokens = tuple[npt.NDArray[np.int64], Int32]
"""Token ids, shape = (n,), and their spans in the text as published, shape = (n, 2)."""
START, END = "<s>", "</s>"
"""Around the pieces of a row, and all that a row without any has."""


@dataclass(frozen=True, slots=True)
class _Windows:
    """Windows of one text."""

    tokens: list[Tokens]
    partial: str | None = None


def _find_marks() -> str:
    """Regex class body of what NFKC may join to the character before, and of what is dropped between them."""
    marks = (chr(code) for code in range(0x80, 0x1F000) if unicodedata.category(chr(code)) in {"Mn", "Mc", "Me", "Cf"})
    return "".join(marks) + _JOINING + _DROPPED


_SEGMENT = re.compile(f"(?s:.)[{_find_marks()}]{{0,{_MAX_JOINED}}}")


def normalise(text: str) -> tuple[str, Int32]:
    """Bring look-alike spellings together: NFKC, without characters that nobody sees.

    Zero-width and bidi controls and all other controls are removed, white space becomes a space, a lone surrogate
    becomes U+FFFD.

    Parameters
    ----------
    text : str
        Any code points.

    Returns
    -------
    normalised : str
    origin : ndarray of int32, shape = (len(normalised) + 1,)
        For each character the index in `text` that it comes from, never falling; the last entry is ``len(text)``.
    """
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return text.translate(_WHITESPACE), np.arange(len(text) + 1, dtype=np.int32)
    segments = _SEGMENT.findall(text)
    pieces = [_normalise_segment(segment) for segment in segments]
    return "".join(pieces), _trace(segments, pieces, len(text))


def _trace(segments: list[str], pieces: list[str], n_chars: int) -> Int32:
    lengths = np.fromiter(map(len, segments), dtype=np.int32, count=len(segments))
    starts = np.cumsum(lengths, dtype=np.int32) - lengths
    origin = np.repeat(starts, np.fromiter(map(len, pieces), dtype=np.int32, count=len(pieces)))
    return np.append(origin, np.int32(n_chars))


@lru_cache(maxsize=16_384)
def _normalise_segment(segment: str) -> str:
    return _drop_unseen(unicodedata.normalize("NFKC", _drop_unseen(segment)))


def _drop_unseen(segment: str) -> str:
    visible = _INVISIBLE.sub("", segment.translate(_WHITESPACE))
    return "".join(map(_replace_unprintable, visible))


def _replace_unprintable(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return "" if category in {"Cc", "Cf"} else character


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
    """

    def __init__(self, tokenizer_file: Path | None = None) -> None:
        self._tokenizer = _load(tokenizer_file or text_file("tokenizer.json"))
        self._start_id = self._tokenizer.token_to_id(START)
        self._end_id = self._tokenizer.token_to_id(END)

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
            One for each text. Windows of `TEXT_WINDOW_TOKENS` that overlap by `OVERLAP_TOKENS`; of a text with more
            than `MAX_WINDOWS` the first ones and others spread evenly up to the last, and `partial` says so.
        """
        normalised = [_normalise_whole(text) for text in texts]
        read = iter(self._tokenise([each for each in normalised if each is not None]))
        windows = [
            self._sample(text) if each is None else _window(next(read))
            for text, each in zip(texts, normalised, strict=True)
        ]
        return [Features(tuple(map(self._make_row, found.tokens)), found.partial) for found in windows]

    def _tokenise(self, normalised: Sequence[tuple[str, Int32]]) -> list[Tokens]:
        folded = [fold(*each) for each in normalised]
        encodings = self._tokenizer.encode_batch([text for text, _ in folded], add_special_tokens=False)
        return [_locate(encoding, origin) for encoding, (_, origin) in zip(encodings, folded, strict=True)]

    def _sample(self, text: str) -> _Windows:
        """Windows of a text that is too long to tokenise: its head, and slices spread over the rest."""
        starts = [0, *_spread_slices(len(text))]
        stops = [_HEAD_CHARS, *(start + _SLICE_CHARS for start in starts[1:])]
        slices = self._tokenise([_normalise_slice(text, *ends) for ends in zip(starts, stops, strict=True)])
        n_head = min(_N_HEAD_WINDOWS, _count_windows(len(slices[0][0])))
        windows = [_cut(slices[0], index * _STEP) for index in range(n_head)]
        windows += [_cut(tokens, 0) for tokens in slices[1:-1]]
        windows.append(_cut(slices[-1], max(0, len(slices[-1][0]) - _CAPACITY)))
        return _Windows(windows, f"{len(windows)} of about {_estimate_windows(len(text), slices)} windows read")

    def _make_row(self, tokens: Tokens) -> TextRow:
        ids, spans = tokens
        input_ids = np.empty(len(ids) + 2, dtype=np.int64)
        input_ids[0], input_ids[1:-1], input_ids[-1] = self._start_id, ids, self._end_id
        row_spans = np.zeros((len(ids) + 2, 2), dtype=np.int32)
        row_spans[1:-1] = spans
        return TextRow(input_ids, np.ones_like(input_ids), row_spans)


def _load(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a post that spells "</s>" means four characters, not our end
    return tokenizer


def _window(tokens: Tokens) -> _Windows:
    n_windows = _count_windows(len(tokens[0]))
    windows = [_cut(tokens, index * _STEP) for index in _choose_windows(n_windows)]
    return _Windows(windows, f"{len(windows)} of {n_windows} windows read" if len(windows) < n_windows else None)


def _cut(tokens: Tokens, start: int) -> Tokens:
    return tokens[0][start : start + _CAPACITY], tokens[1][start : start + _CAPACITY]


def _locate(encoding: Encoding, origin: Int32) -> Tokens:
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
    starts, last = origin[offsets[:, 0]], origin[np.maximum(offsets[:, 1] - 1, 0)]
    # Half of an expanded ligature still covers the ligature: a span is never empty.
    ends = np.maximum(origin[offsets[:, 1]], last + 1)
    return np.array(encoding.ids, dtype=np.int64), np.stack([starts, ends], axis=1)


def _normalise_whole(text: str) -> tuple[str, Int32] | None:
    """The text normalised, or None if it is too long; NFKC makes up to 18 characters out of one."""
    if len(text) > MAX_WHOLE_CHARS:
        return None
    normalised = normalise(text)
    return normalised if len(normalised[0]) <= MAX_WHOLE_CHARS else None


def _normalise_slice(text: str, start: int, stop: int) -> tuple[str, Int32]:
    normalised, origin = normalise(text[start:stop])
    return normalised[:MAX_WHOLE_CHARS], origin[: MAX_WHOLE_CHARS + 1] + np.int32(start)


def _count_windows(n_tokens: int) -> int:
    return 1 + max(0, -(-(n_tokens - _CAPACITY) // _STEP))


def _choose_windows(n_windows: int) -> Iterator[int]:
    """All windows, or the first ones and others spread evenly up to the last."""
    if n_windows <= MAX_WINDOWS:
        return iter(range(n_windows))
    spread = np.linspace(_N_HEAD_WINDOWS, n_windows - 1, MAX_WINDOWS - _N_HEAD_WINDOWS)
    return iter([*range(_N_HEAD_WINDOWS), *np.rint(spread).astype(int).tolist()])


def _spread_slices(n_chars: int) -> list[int]:
    last = max(0, n_chars - _SLICE_CHARS)
    starts = np.linspace(min(_HEAD_CHARS, last), last, MAX_WINDOWS - _N_HEAD_WINDOWS)
    return [int(start) for start in starts]


def _estimate_windows(n_chars: int, slices: Sequence[Tokens]) -> int:
    n_read_chars = _HEAD_CHARS + _SLICE_CHARS * (len(slices) - 1)
    n_read_tokens = sum(len(ids) for ids, _ in slices)
    return max(MAX_WINDOWS, _count_windows(round(n_read_tokens * n_chars / n_read_chars)))
