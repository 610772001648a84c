"""The words of a text by writing system, without what says nothing about its language.

Links, addresses, handles, numbers, punctuation and pictographs are passed over; look-alike letters inside a word are
read as that word's. Writing systems go by their ISO 15924 codes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sluice.features.folding import LOOK_ALIKES

KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_LETTERS = {
    "Latn": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1d00-\u1d7f\u1e00-\u1eff",
    "Hani": f"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff{KANA}",
    "Hang": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3",
    "Cyrl": "\u0400-\u0481\u048a-\u052f",
    "Arab": "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06ff\u0750-\u077f",
    "Deva": "\u0900-\u0963\u0971-\u097f",
    "Beng": "\u0980-\u09e3\u09f0-\u09f1\u09fc",
    "Grek": "\u0370-\u0373\u0376-\u037d\u0386\u0388-\u03ff\u1f00-\u1fff",
    "Hebr": "\u0591-\u05bd\u05bf-\u05c7\u05d0-\u05f2",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Taml": "\u0b80-\u0be5",
    "Telu": "\u0c00-\u0c65",
    "Knda": "\u0c80-\u0ce5",
    "Mlym": "\u0d00-\u0d65",
    "Gujr": "\u0a80-\u0ae5",
    "Guru": "\u0a00-\u0a65\u0a70-\u0a76",
    "Orya": "\u0b00-\u0b65",
    "Sinh": "\u0d80-\u0de5",
    "Laoo": "\u0e80-\u0ecf",
    "Mymr": "\u1000-\u103f\u1050-\u108f",
    "Khmr": "\u1780-\u17d3\u17dc",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Armn": "\u0531-\u0556\u0561-\u0587",
    "Ethi": "\u1200-\u135f\u1380-\u138f",
    "Tibt": "\u0f00-\u0f1f\u0f40-\u0fbc",
    "Thaa": "\u0780-\u07b1",
    "Mong": "\u1820-\u18aa",
}
_LETTER_WEIGHTS = {"Hani": 3, "Jpan": 2, "Hang": 2}
"""Latin letters that one sign of a denser script stands for, roughly; 1 for the others."""

_RUN = re.compile("|".join(f"(?P<{name}>[{letters}]+(?:['’][{letters}]+)*)" for name, letters in _LETTERS.items()))
_ASCII_RUN = re.compile("[A-Za-z]+(?:'[A-Za-z]+)*")
_ONE_KANA = re.compile(f"[{KANA}]$")
_NOISE = re.compile(
    r"(?:https?://|www\.)\S+|(?<!\S)\S+@\S+|[@#]\w+|&\w+;|\b(?:\w+\.)+(?:com|net|org|io|cn|tv|co|gg|me)\b\S*"
    r"|\b(?:RT|URL|EMAIL|PHONE|USER)\b|(?<!\w)\w*\d\w*"
)
"""What may begin with any sign is looked for where words begin, not again at each letter of a long word."""
_NUMBERS = re.compile(r"(?<!\w)\w*\d\w*")
_DIGIT = re.compile(r"\d")
_SIGNS_OF_NOISE = re.compile(r"[@#&/]|\.\S")
_WORDS_OF_NOISE = ("RT", "URL", "EMAIL", "PHONE", "USER")
"""Without one of these, or such a sign, there is none but numbers."""
_UNSEEN = re.compile("[\u00ad\u0300-\u036f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_LETTERS_OF_ALPHABETS = _LETTERS["Latn"] + _LETTERS["Cyrl"] + _LETTERS["Grek"]
_FOREIGN = re.compile(f"[{_LETTERS['Cyrl'] + _LETTERS['Grek']}]")
_MIXED = re.compile(
    f"[{_LETTERS_OF_ALPHABETS}]*(?:[{_LETTERS['Latn']}][{_LETTERS['Cyrl'] + _LETTERS['Grek']}]"
    f"|[{_LETTERS['Cyrl'] + _LETTERS['Grek']}][{_LETTERS['Latn']}])[{_LETTERS_OF_ALPHABETS}]*"
)
_DRAWN_OUT = re.compile(r"(\w)\1{2,}")


def find_words(text: str) -> dict[str, list[str]]:
    """Words by script, each script's in order; signs of foreign scripts that stand alone, as in drawn faces, are none.

    Parameters
    ----------
    text : str
        Any code points.
    """
    shown = _shorten(_drop_noise(text if text.isascii() else _reduce(text)))
    if shown.isascii():  # many times faster than to ask of each word which script it is in
        words = _ASCII_RUN.findall(shown)
        return {"Latn": words} if words else {}
    found: dict[str, list[str]] = {}
    for run in _RUN.finditer(shown):
        script, word = str(run.lastgroup), run.group()
        if len(word) > 1 or script == "Latn" or (script == "Hani" and not _ONE_KANA.match(word)):
            found.setdefault(script, []).append(word)
    return found


def _drop_noise(text: str) -> str:
    if _SIGNS_OF_NOISE.search(text) or any(map(text.__contains__, _WORDS_OF_NOISE)):
        return _NOISE.sub(" ", text)
    return _NUMBERS.sub(" ", text) if _DIGIT.search(text) else text


def _shorten(text: str) -> str:
    """Letters once that are drawn out."""
    return _DRAWN_OUT.sub(r"\1", text) if _DRAWN_OUT.search(text) else text


def weigh(script: str, words: Iterable[str]) -> int:
    """How much words say, in Latin letters."""
    return sum(map(len, words)) * _LETTER_WEIGHTS.get(script, 1)


def _reduce(text: str) -> str:
    """Look-alike spellings together: NFKC, no unseen characters, look-alike letters as the others of their word."""
    composed = unicodedata.normalize("NFKC", _UNSEEN.sub("", unicodedata.normalize("NFC", text)))
    if not _FOREIGN.search(composed):
        return composed
    return _MIXED.sub(lambda match: match.group().translate(LOOK_ALIKES), composed)
