"""Undoes what programs show in another way than it is written: markup, codes, directions, flags.

Works on text as published: much of it is gone once unseen characters are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import unquote

from sluice.features.flags import FLAGS, PARTS, read_flags, read_part
from sluice.features.traces import Traced, reverse, substitute, trace

_SIGNS = re.compile("[&<\u202e%*_~`\U0001f1e6-\U0001f1ff\U0001f3f4]")
"""Without one of these there is nothing to undo."""
_TURNED = re.compile("\u202e([^\u202c\u202e\n]+)\u202c?")
"""A stretch that is shown from right to left."""
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_MIN_PERCENT_CODES = 3
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])([*_~`]{1,3})(?=\S)([^*_~`\n]{1,60}?)(?<=\S)\1")
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,9}(?:\s[^<>=]{1,40}=[^<>]{0,200})?\s?/?>|<!--[^<>]{0,80}-->")
"""With attributes only where something is set: ``a<b and c>d`` is no tag."""
_BREAK = re.compile(r"</?(?:br|p|div|li|tr|h\d)\b", re.I)
_ENTITY = re.compile(r"&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[a-zA-Z]{2,8});")


def undo_markup(text: str) -> Traced:
    """A text as people see it.

    Stretches behind a right-to-left override are turned round; flags are named; percent codes and entities are what
    they stand for; signs of emphasis around words go, and tags.

    Examples
    --------
    >>> undo_markup("<b>fi</b>sh &amp; chips")[0]
    'fish & chips'
    """
    traced = trace(text)
    if not _SIGNS.search(text):
        return traced
    traced = reverse(traced, _TURNED)
    for pattern, write in _rules(text):
        traced = substitute(traced, pattern, write)
    return traced


def _rules(text: str) -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    """What is replaced in a text, in order; a lone percent sign is a percentage."""
    is_quoted = "%20" in text or text.count("%") >= _MIN_PERCENT_CODES
    return [
        (PARTS, read_part),
        (FLAGS, read_flags),
        *([(_PERCENT, _unquote)] if is_quoted else []),
        (_EMPHASIS, lambda match: match[2]),
        (_TAG, _drop_tag),
        (_ENTITY, lambda match: html.unescape(match[0])),
    ]


def _unquote(match: re.Match[str]) -> str:
    """What percent codes stand for; those that are no text stay."""
    try:
        return unquote(match[0], errors="strict")
    except UnicodeDecodeError:
        return match[0]


def _drop_tag(match: re.Match[str]) -> str:
    """Nothing; a line's end for a tag that begins a new one."""
    return "\n" if _BREAK.match(match[0]) else ""
