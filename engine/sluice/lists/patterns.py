"""Regular expressions that take linear time whatever they are given (RE2), tried all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import re2

from sluice.errors import ListError

MAX_PATTERNS = 2_000
"""Of all lists: they are tried at each post."""
MAX_STEPS = 20_000
"""Of RE2's program for one expression, in instructions: its time grows with them, and a letter class written out a
hundred times has a hundred thousand."""
_GROUP = 32
"""Expressions that share an automaton: RE2 gives one up whose states do not fit its memory, and says nothing."""

_ESCAPE = re.compile(r"\\.", re.DOTALL)


def _make_options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 32 * 2**20
    return options


def compile_pattern(value: str) -> Any:
    """An expression, compiled.

    Raises
    ------
    ListError
        RE2 does not take it, it is found in every text, takes too long, or asks for bytes: half a letter has no place.
    """
    if any(escape[1] == "C" for escape in _ESCAPE.findall(value)):
        raise ListError("\\C finds bytes, which may be half a letter: write .")
    try:
        pattern = re2.compile(value, _make_options())
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "wrong"
        raise ListError(f"RE2 does not take it: {reason}") from error
    if pattern.search("") is not None:
        raise ListError("it is found in every text")
    if pattern.programsize > MAX_STEPS:
        raise ListError(
            f"it comes to {pattern.programsize} steps, more than {MAX_STEPS}: repeat less, or smaller classes"
        )
    return pattern


class Patterns:
    """Many expressions; raises `ListError` for one that is wrong, and for too many."""

    def __init__(self, values: Sequence[str]) -> None:
        if len(values) > MAX_PATTERNS:
            raise ListError(f"{len(values)} expressions are more than {MAX_PATTERNS}")
        self._patterns = [compile_pattern(value) for value in values]
        self._groups = [(first, _join(values[first : first + _GROUP])) for first in range(0, len(values), _GROUP)]

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Which occur in a text: index, start and end of each place; places of one expression do not overlap."""
        for first, group in self._groups:
            for index in sorted(group.Match(text) or ()):
                for match in self._patterns[first + index].finditer(text):
                    if match.end() > match.start():
                        yield first + index, match.start(), match.end()


def _join(values: Sequence[str]) -> Any:
    """One automaton for all of them; so many of `MAX_STEPS` each fit its memory."""
    group = re2.Set.SearchSet(_make_options())
    for value in values:
        group.Add(value)
    try:
        group.Compile()
    except re2.error as error:
        raise ListError(f"RE2 does not take {len(values)} expressions together") from error
    return group
