"""Undoes what hides words from a reader of word pieces: look-alike letters, leetspeak, letters apart or repeated.

Every rule keeps harmless spellings in mind: ordinals and units (4th, 5km), doubled letters, numerals, and other
languages. A Russian word stays one, even where all its letters look like Latin ones.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice

import numpy as np

from sluice.features.markup import undo_markup
from sluice.features.normalisation import normalise
from sluice.features.traces import Traced, drop, substitute

LOOK_ALIKES = str.maketrans(
    # Cyrillic, then Greek, then others: letters that fonts draw like the Latin ones (Unicode TR 39, confusables).
    "аАвВсСеЕёЁһНіІїЇјЈкКмМоОрРѕЅтТхХуУԁԛԝɡӏ" + "αΑβΒεΕηΗιΙκΚΜνΝοΟρΡτΤυΥχΧΖωγ" + "ıłøđħŧƅɑɩɪʀʏ",
    "aAbBcCeEeEhHiIiIjJkKmMoOpPsStTxXyYdqwgl" + "aAbBeEnHiIkKMvNoOpPtTuYxXZwy" + "ilodhtbaiiry",
)
_LIKE_FEW = str.maketrans("нєяσςƒ", "herosf")
"""Less alike: only in words of several alphabets, which no language has."""
_BOXED = {chr(first + n): chr(ord("a") + n) for first in (0x1F110, 0x1F130, 0x1F150, 0x1F170) for n in range(26)}
_SMALL = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢɑɩƅ", "abcdefghijklmnopqrstuvwyzaib")
_PLAIN = str.maketrans(_BOXED) | _SMALL
"""Letters in squares and circles, small capitals, and letters of phonetics: NFKC leaves them."""
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN = re.compile("[A-Za-z]")
_ALPHABETS = (_LATIN, re.compile("[\u0370-\u03ff]"), re.compile("[\u0400-\u052f]"))
_LATIN_SHARE = 0.8
"""Of the Latin, Greek and Cyrillic letters of a text: from here on a word of look-alikes alone counts as disguised."""
_LEET = str.maketrans("4@3105$7", "aaeiosst")
_ORDINAL = re.compile(
    r"\d+(?:st|nd|rd|th|s|k|m|x|h|d|am|pm|mm|cm|km|kg|mg|ml|gb|mb|tb|hz|ft|in|min|hr|yrs?|px|bn)$", re.I
)
_HASH = re.compile(r"(?=(?:[a-f]*\d){3})[0-9a-f]{7,}$", re.I)
"""Such as names a commit: hexadecimal digits with enough figures among them."""
_SIGN_OF_LEET = re.compile("[0-9@$](?:(?=[A-Za-z])|(?<=[A-Za-z].))")
"""Beside a letter."""
_WORD = re.compile(r"(?<![A-Za-z0-9@$])(?=[A-Za-z]*[0-9@$])[A-Za-z0-9@$]{3,}")
"""With a sign among its letters, and found at its start alone: else a long one was looked at again from each letter."""
_INNER = re.compile(r"(?<=[A-Za-z])[431057@$]+(?=[A-Za-z])")
_HEAD = re.compile(r"^[4310$@57](?=[A-Za-z]{2})")
_TAIL = re.compile(r"(?<=[A-Za-z]{2})(?:[43105]|\$+)$")
_DOUBLE_TAIL = re.compile(r"(?!jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec|win)([A-Za-z]{2,3})11(s|ed|er|ing)?", re.I)
"""ki11, but not Nov11 or win11."""
_JOINED = re.compile(r"(?<!\w)[^\W\d_]+(?:_[^\W\d_]+){2,}(?![^\W_])")
_LETTERS = re.compile(r"[^\W\d_]+")
_SIGN = r"[A-Za-z0-9@$\u0370-\u03ff\u0400-\u052f]"
_APART = re.compile(rf"(?<![^\W_]){_SIGN}([ .\-_*~|/])(?:{_SIGN}\1)+{_SIGN}(?![^\W_])")
_MAY_BE_APART = re.compile(rf"([ .\-_*~|/]){_SIGN}\1{_SIGN}")
"""Without it nothing is, and it is found faster."""
_OVERLAY = re.compile("(?<=[A-Za-z ])[\u0332\u0333\u0335-\u0338]+")
"""Lines under or through a letter, which no letter of a language has."""
_ODD_CAPITALS = re.compile("(?<![A-Za-z])[a-z]?(?:[A-Z][a-z]){3,}[A-Z]?(?![A-Za-z])|[A-Z]{12,}")
"""A word whose letters are large and small in turn, or several words in capitals without a space."""
_MAY_BE_ODD = re.compile("[A-Z](?:[a-z][A-Z]|[A-Z]{11})")
"""Without it there are none, and it is found faster."""
_HAN_GAP = re.compile(r"(?<=[\u4e00-\u9fff])[ .\-_*~^|/\\·+=#&@]{1,2}(?=[\u4e00-\u9fff])")
_SPACES = re.compile(" {2,}")
_REPEATED = re.compile(r"([A-Za-z])\1{2,}")
_PICTOGRAPH = re.compile("([\u2600-\u27bf\U0001f300-\U0001faff])\\1*")
_SKIN_TONES = {"type-1-2": "light", "type-3": "light", "type-5": "dark", "type-6": "dark"}
_EMPTY_WORDS = frozenset(
    ["face", "with", "of", "and", "the", "for", "sign", "symbol", "mark", "suit", "heavy", "medium", "black", "white"]
)
"""Of pictographs' names: what is in nearly all, and colours that there say only how the glyph is printed."""
MAX_NAMED = 200
"""Pictographs of one text that are named: a name is many times as long, and the work per post has to stay bounded."""
_SUSPECTS = (
    re.compile("[431057@$](?:(?=[A-Za-z])|(?<=[A-Za-z].))"),
    re.compile(r"([ .\-_*~|/])(?<=[A-Za-z0-9@$].)[A-Za-z0-9@$]\1"),
    re.compile("[A-Z](?:(?<=[a-z].)(?:[a-z][A-Z]){2}|[A-Z]{11})"),
    re.compile("_[A-Za-z]+_"),
    re.compile(r"([A-Za-z])\1\1"),
)
"""Most begin with a sign that few texts have, which `re` looks for faster than for any of all at each letter."""


def prepare(text: str) -> Traced:
    """A text as its reader gets it.

    Returns
    -------
    read : str
    origin : ndarray of int32, shape = (len(read) + 1,)
        For each character the index in `text` that it comes from; falls only inside a stretch that a right-to-left
        override had turned round. The last entry is ``len(text)``.
    """
    shown, origin = undo_markup(text)
    read, inner = fold(normalise(shown))
    return read, origin[inner]


def fold(traced: Traced) -> Traced:
    """A text, as `normalise` returns it, with its hidden words spelled plainly."""
    text, origin = traced
    if not _is_suspect(text):
        return _drop_spaces(traced)
    if text.isascii():
        return _drop_spaces(_fold_words((_lower_odd_capitals(text), origin)))
    text, origin = drop(traced, [match.span() for match in _OVERLAY.finditer(text)])
    plain = _fold_letters(_lower_odd_capitals(text.translate(_PLAIN)))
    return _drop_spaces(_name_pictographs(_fold_words((plain, origin))))


def _is_suspect(text: str) -> bool:
    """Whether there may be anything to undo; most texts of ASCII have nothing."""
    return not text.isascii() or any(pattern.search(text) for pattern in _SUSPECTS)


def _fold_words(traced: Traced) -> Traced:
    """Letters set apart together, digits in words as letters, repeated letters once."""
    traced = substitute(traced, _JOINED, lambda match: match[0].replace("_", " ")) if "_" in traced[0] else traced
    text, origin = drop(traced, _gaps(traced[0]))
    text = _WORD.sub(_plain_leet, text) if _SIGN_OF_LEET.search(text) else text
    return drop((text, origin), _repetitions(text))


def _lower_odd_capitals(text: str) -> str:
    return _ODD_CAPITALS.sub(lambda match: match[0].lower(), text) if _MAY_BE_ODD.search(text) else text


def _drop_spaces(traced: Traced) -> Traced:
    """One space for several."""
    text = traced[0]
    ranges = [(match.start() + 1, match.end()) for match in _SPACES.finditer(text)] if "  " in text else []
    return drop(traced, ranges)


def _name_pictographs(traced: Traced) -> Traced:
    """Behind each pictograph, or each run of the same, what Unicode calls it: a word reader knows those words."""
    text, origin = traced
    if not _PICTOGRAPH.search(text):
        return traced
    pieces, counts, place = [], np.ones(len(origin), np.int64), 0
    for match in islice(_PICTOGRAPH.finditer(text), MAX_NAMED):
        name = describe_pictograph(match[1])
        pieces += [text[place : match.end()], name]
        counts[match.end() - 1] += len(name)
        place = match.end()
    return "".join([*pieces, text[place:]]), np.repeat(origin, counts)


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


def _fold_letters(text: str) -> str:
    """Latin letters for look-alikes: in words of several alphabets, and in all if nearly all of the text is Latin."""
    if not _FOREIGN.search(text):
        return text
    text = _LETTERS.sub(_fold_mixed, text)
    n_latin, n_foreign = len(_LATIN.findall(text)), len(_FOREIGN.findall(text))
    is_latin = n_latin >= _LATIN_SHARE * (n_latin + n_foreign)
    return _LETTERS.sub(lambda word: _replace_look_alikes(word[0]), text) if is_latin else text


def _fold_mixed(match: re.Match[str]) -> str:
    word = match[0]
    is_mixed = not word.isascii() and sum(bool(letters.search(word)) for letters in _ALPHABETS) > 1
    return _replace_look_alikes(word, word.translate(_LIKE_FEW)) if is_mixed else word


@lru_cache(maxsize=16_384)
def _replace_look_alikes(word: str, clearer: str | None = None) -> str:
    """Latin letters where every letter is one or looks like one; another language's word is left alone."""
    folded = (clearer or word).translate(LOOK_ALIKES)
    return folded if folded.isascii() else word


def _gaps(text: str) -> list[tuple[int, int]]:
    """Where letters of one word are set apart: l i k e, or l.i.k.e, or a sign between two Chinese characters."""
    gaps = [] if text.isascii() else [match.span() for match in _HAN_GAP.finditer(text)]
    for match in _APART.finditer(text) if _MAY_BE_APART.search(text) else ():
        if sum(character.isalpha() for character in match[0]) >= 3:
            gaps += [(place, place + 1) for place in range(match.start() + 1, match.end(), 2)]
    return sorted(gaps)


def _plain_leet(match: re.Match[str]) -> str:
    """Letters for the digits inside a word and before it; behind it only where the word has other such signs too."""
    word = _DOUBLE_TAIL.sub(r"\1ll\2", match[0]) if _DOUBLE_TAIL.fullmatch(match[0]) else match[0]
    if word.isalpha() or _ORDINAL.fullmatch(word) or _HASH.fullmatch(word) or sum(map(str.isalpha, word)) < 2:
        return word
    inner = _INNER.sub(_spell_signs, word)
    spelled = _HEAD.sub(_spell_signs, inner if inner == word else _TAIL.sub(_spell_signs, inner))
    return spelled.upper() if word.isupper() else spelled


def _spell_signs(match: re.Match[str]) -> str:
    return match[0].translate(_LEET)


def _repetitions(text: str) -> list[tuple[int, int]]:
    """All but the first of three and more equal letters, in words that have other letters too."""
    return [
        (match.start() + 1, match.end())
        for match in _REPEATED.finditer(text)
        if text[match.start() - 1 : match.start()].isalpha() or text[match.end() : match.end() + 1].isalpha()
    ]
