"""Flags: what a pair of regional letters stands for."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

import msgspec

from sluice.resources import text_file

FLAGS = re.compile("[\U0001f1e6-\U0001f1ff](?:[ \u200b-\u200d]{0,2}[\U0001f1e6-\U0001f1ff])*")
"""A row of regional letters, some of them perhaps set apart."""
PARTS = re.compile("\U0001f3f4([\U000e0061-\U000e007a]{1,8})\U000e007f")
"""The flag of a part of a country: a black flag and unseen letters."""
_FIRST_LETTER = 0x1F1E6
_FIRST_TAG = 0xE0061
_PARTS = {"gbeng": "England", "gbsct": "Scotland", "gbwls": "Wales"}
_NOTHING = re.compile("[\u200b-\u200d]")


def read_flags(match: re.Match[str]) -> str:
    """Names of countries between spaces where regional letters are flags, each run of one once; else plain letters."""
    letters = [_plain(each) for each in match[0] if ord(each) >= _FIRST_LETTER]
    if _NOTHING.search(match[0]):  # what holds letters apart unseen writes words, whose spaces are meant
        return "".join(_plain(each) for each in match[0])
    countries = [_load_countries().get("".join(letters[n : n + 2]).upper()) for n in range(0, len(letters), 2)]
    is_flags = len(letters) == len(match[0]) and all(countries)
    return "".join(f" {country} " for country, _ in groupby(countries)) if is_flags else "".join(letters)


def read_part(match: re.Match[str]) -> str:
    """The name of a part of a country between spaces; the black flag alone where it is not known."""
    name = _PARTS.get("".join(chr(ord("a") + ord(tag) - _FIRST_TAG) for tag in match[1]))
    return f" {name} " if name else match[0][0]


def _plain(character: str) -> str:
    offset = ord(character) - _FIRST_LETTER
    return chr(ord("a") + offset) if offset >= 0 else character


@lru_cache(maxsize=1)
def _load_countries() -> dict[str, str]:
    """English names of countries by their ISO 3166 codes, as in Unicode's CLDR."""
    return msgspec.json.decode(text_file("countries.json").read_bytes(), type=dict[str, str])
