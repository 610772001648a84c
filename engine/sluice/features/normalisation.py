"""Look-alike spellings brought together: NFKC, without characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sluice.features.traces import Int32, Traced, trace

_WHITESPACE = {ord(character): " " for character in "\t\n\v\f\r\x85\u2028\u2029"}
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Invisible, yet neither Cc nor Cf: combining grapheme joiner, Hangul fillers, Khmer vowels, variation selectors.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0000-\U000e0fff]")
# Jamo of every width and half-width kana marks: not combining by category, but NFKC joins them to what is before.
_JOINING = "\u1160-\u11ff\u3131-\u3163\uff9e-\uff9f\uffa0-\uffdc"
_DROPPED = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u115f\u3164"
_DROPPED_TAGS = "\U000e0000-\U000e0fff"
_MAX_JOINED = 30
"""Unicode's stream-safe limit (UAX 15): sorting longer runs of marks takes quadratic time."""


def _find_marks(first: int, end: int) -> str:
    """Of what NFKC may join to the character before, the codes from `first` up to `end`."""
    marks = (chr(code) for code in range(first, end) if unicodedata.category(chr(code)) in {"Mn", "Mc", "Me", "Cf"})
    return "".join(marks)


_BASIC_MARKS = f"[{_find_marks(0x80, 0x10000)}{_JOINING}{_DROPPED}]"
"""What NFKC may join to the character before, and what is dropped between them, in the Basic Multilingual Plane."""
_OTHER_MARKS = f"(?=[\U00010000-\U0010ffff])[{_find_marks(0x10000, 0x1F000)}{_DROPPED_TAGS}]"
"""The same outside of it, where `re` compares with one after the other."""
_ANY_MARK = f"(?:{_BASIC_MARKS}|{_OTHER_MARKS})"
_MARK = re.compile(_ANY_MARK)
_SEGMENT = re.compile(f"(?s:.){_ANY_MARK}{{0,{_MAX_JOINED}}}")


def normalise(text: str) -> Traced:
    """Bring look-alike spellings together.

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
    if text.isascii():
        if text.isprintable():
            return trace(text)
        if not _ASCII_CONTROL.search(text):
            return trace(text.translate(_WHITESPACE))
    segments: Sequence[str] = _SEGMENT.findall(text) if _MARK.search(text) else text
    pieces = list(map(_normalise_segment, segments))
    normalised = "".join(pieces)
    if len(normalised) == len(segments) == len(text) and "" not in pieces:
        return trace(normalised)  # one character for each
    return normalised, _find_origin(segments, pieces, len(text))


def _find_origin(segments: Sequence[str], pieces: list[str], n_chars: int) -> Int32:
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
