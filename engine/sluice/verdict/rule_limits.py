"""What a rule's expression may be, so that evaluating it is bounded in time and memory whatever the post is.

The language has no recursion and no loops but its macros over lists. Left out are the ways in which these multiply:
one within another, many in a row, and `map`, by which a text can double with every step.
"""

from __future__ import annotations

import re

MAX_CHARS = 1000
"""Of one expression: also bounds the lists that are written out in it."""

MAX_MACROS = 4
"""Walks over a list in one expression."""

MAX_ITERATIONS = 10_000
"""Steps of all walks of one evaluation: the library's own limit, which stops it with an error."""

_RAW = r"""[bB]?[rR][bB]?(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|"[^"\n]*")"""
_ESCAPED = r"""[bB]?(?:'''(?:\\.|.)*?'''|\"\"\"(?:\\.|.)*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_NO_CODE = re.compile(rf"(?P<text>{_RAW}|{_ESCAPED})|//[^\n]*", re.DOTALL)
_WALK = re.compile(r"\.\s*(all|exists|exists_one|filter|map)\s*\(")
_MATCHES = re.compile(r"\bmatches\b")
_MATCHES_WRITTEN = re.compile(r'\.\s*matches\s*\(\s*"_*"\s*\)')


def bare(expression: str) -> str:
    """An expression of the same length without what its strings and comments say."""
    return _NO_CODE.sub(_blank, expression)


def _blank(found: re.Match[str]) -> str:
    n_chars = len(found.group())
    return '"' + "_" * (n_chars - 2) + '"' if found.group("text") else " " * n_chars


def find_excess(expression: str) -> str | None:
    """Which limit an expression breaks, for people; None if it keeps them all."""
    if len(expression) > MAX_CHARS:
        return f"{len(expression)} characters; an expression has at most {MAX_CHARS}"
    code = bare(expression)
    if "`" in code:
        return "names are written without backticks: what is in them would not be seen"
    walks = [(found.start(), _end_of_call(code, found.end())) for found in _WALK.finditer(code)]
    if any(found.group(1) == "map" for found in _WALK.finditer(code)):
        return "map() is not allowed: what it makes can grow without bound"
    if len(walks) > MAX_MACROS:
        return f"{len(walks)} walks over lists; an expression has at most {MAX_MACROS}"
    if any(start < inner < end for start, end in walks for inner, _ in walks):
        return "a walk over a list within another is not allowed"
    if len(_MATCHES.findall(code)) > len(_MATCHES_WRITTEN.findall(code)):
        return "matches is written as TEXT.matches('PATTERN'), the pattern written out"
    return None


def _end_of_call(code: str, start: int) -> int:
    """Behind the bracket that closes the one before `start`; the end of the code without one."""
    depth = 1
    for n in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[n], 0)
        if depth == 0:
            return n
    return len(code)
