"""Undoes what hides words from a reader of word pieces: look-alike letters, leetspeak, letters apart or repeated.

Works on text that `sluice.features.text.normalise` has normalised. Every rule keeps harmless spellings in mind:
ordinals and units (4th, 5km), other scripts (a Russian word has letters like no Latin one), doubled letters, numerals.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]

LOOK_ALIKES = str.maketrans(
    # Cyrillic, then Greek, then others: letters that fonts draw like the Latin ones (Unicode TR 39, confusables).
    "аАвВсСеЕёЁһНіІїЇјЈкКмМоОрРѕЅтТхХуУԁԛԝɡӏ" + "αΑβΒεΕηΗιΙκΚΜνΝοΟρΡτΤυΥχΧΖωγ" + "ıłøđħŧƅɑɩɪʀʏ",
    "aAbBcCeEeEhHiIiIjJkKmMoOpPsStTxXyYdqwgl" + "aAbBeEnHiIkKMvNoOpPtTuYxXZwy" + "ilodhtbaiiry",
)
_LEET = str.maketrans("4@3105$7", "aaeiosst")
_ORDINAL = re.compile(
    r"\d+(?:st|nd|rd|th|s|k|m|x|h|d|am|pm|mm|cm|km|kg|mg|ml|gb|mb|tb|hz|ft|in|min|hr|yrs?|px|bn)$", re.I
)
_WORD = re.compile(r"[A-Za-z0-9@$]{3,}")
_INNER = re.compile(r"(?<=[A-Za-z])[431057@$]+(?=[A-Za-z])")
_HEAD = re.compile(r"^[4310$@57](?=[A-Za-z]{2})")
_LETTERS = re.compile(r"[^\W\d_]+")
_APART = re.compile(r"(?<![^\W_])[A-Za-z0-9@$]([ .\-_*~|/])(?:[A-Za-z0-9@$]\1)+[A-Za-z0-9@$](?![^\W_])")
_HAN_GAP = re.compile(r"(?<=[\u4e00-\u9fff])[ .\-_*~^|/\\·+=#&@]{1,2}(?=[\u4e00-\u9fff])")
_REPEATED = re.compile(r"([A-Za-z])\1{2,}")
_PICTOGRAPH = re.compile("([\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff])\\1*")
_SKIN_TONES = {"type-1-2": "light", "type-3": "light", "type-5": "dark", "type-6": "dark"}
_EMPTY_WORDS = frozenset(
    ["face", "with", "of", "and", "the", "for", "sign", "symbol", "mark", "suit", "letter", "regional", "indicator"]
) | {"heavy", "medium", "black", "white"}
"""Of pictographs' names: what is in nearly all, and colours that there say only how the glyph is printed."""
MAX_NAMED = 200
"""Pictographs of one text that are named: a name is many times as long, and the work per post has to stay bounded."""
_SUSPECT = re.compile(
    r"[^\x00-\x7f]|[A-Za-z][431057@$]|[431057@$][A-Za-z]|[A-Za-z0-9@$]([ .\-_*~|/])[A-Za-z0-9@$]\1|([A-Za-z])\2\2"
)


def fold(text: str, origin: Int32) -> tuple[str, Int32]:
    """A text with its hidden words spelled plainly.

    Parameters
    ----------
    text, origin
        As `normalise` returns them.

    Returns
    -------
    folded : str
    origin : ndarray of int32, shape = (len(folded) + 1,)
        For each character where it comes from, as in `normalise`.
    """
    if not _SUSPECT.search(text):
        return text, origin
    text = _LETTERS.sub(_plain_letters, text)
    text, origin = _drop(text, origin, _gaps(text))
    text = _WORD.sub(_plain_leet, text)
    return _name_pictographs(*_drop(text, origin, _repetitions(text)))


def _name_pictographs(text: str, origin: Int32) -> tuple[str, Int32]:
    """Behind each pictograph, or each run of the same, what Unicode calls it: a word reader knows those words."""
    pieces, counts, place = [], np.ones(len(origin), np.int64), 0
    for match in islice(_PICTOGRAPH.finditer(text), MAX_NAMED):
        name = describe_pictograph(match[1])
        pieces += [text[place : match.end()], name]
        counts[match.end() - 1] += len(name)
        place = match.end()
    return ("".join([*pieces, text[place:]]), np.repeat(origin, counts)) if pieces else (text, origin)


@lru_cache(maxsize=4096)
def describe_pictograph(character: str) -> str:
    """The words of a pictograph's Unicode name that tell it from others, between spaces; nothing if it has none.

    Examples
    --------
    >>> describe_pictograph("\N{MONKEY FACE}")
    ' monkey '
    """
    words = unicodedata.name(character, "").lower().split()
    if words[:2] == ["emoji", "modifier"]:
        words = [_SKIN_TONES.get(words[-1], "medium"), "skin"]
    kept = [word for word in words if word not in _EMPTY_WORDS]
    return f" {' '.join(kept)} " if kept else ""


def _plain_letters(match: re.Match[str]) -> str:
    return match[0] if match[0].isascii() else _replace_look_alikes(match[0])


@lru_cache(maxsize=16_384)
def _replace_look_alikes(word: str) -> str:
    """Latin letters where every letter is one or looks like one; another language's word is left alone."""
    folded = word.translate(LOOK_ALIKES)
    return folded if folded.isascii() else word


def _gaps(text: str) -> list[tuple[int, int]]:
    """Where letters of one word are set apart: l i k e, or l.i.k.e, or a sign between two Chinese characters."""
    gaps = [match.span() for match in _HAN_GAP.finditer(text)]
    for match in _APART.finditer(text):
        if sum(character.isalpha() for character in match[0]) >= 3:
            gaps += [(place, place + 1) for place in range(match.start() + 1, match.end(), 2)]
    return sorted(gaps)


def _plain_leet(match: re.Match[str]) -> str:
    word = match[0]
    if word.isalpha() or _ORDINAL.fullmatch(word) or sum(map(str.isalpha, word)) < 2:
        return word
    inner = _INNER.sub(lambda digits: digits[0].translate(_LEET), word)
    return _HEAD.sub(lambda digit: digit[0].translate(_LEET), inner)


def _repetitions(text: str) -> list[tuple[int, int]]:
    """All but the first of three and more equal letters, in words that have other letters too."""
    return [
        (match.start() + 1, match.end())
        for match in _REPEATED.finditer(text)
        if text[match.start() - 1 : match.start()].isalpha() or text[match.end() : match.end() + 1].isalpha()
    ]


def _drop(text: str, origin: Int32, ranges: list[tuple[int, int]]) -> tuple[str, Int32]:
    if not ranges:
        return text, origin
    kept = np.ones(len(origin), np.bool_)
    for start, end in ranges:
        kept[start:end] = False
    return "".join(np.array(list(text))[kept[:-1]].tolist()), origin[kept]
