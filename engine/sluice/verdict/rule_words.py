"""What a rule compares with names of which all are known: another one would never be found, and nobody would know."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from sluice.contract import LABELS
from sluice.features.language_names import LANGUAGE_CODES
from sluice.schema import DECISIONS
from sluice.verdict.rule_limits import bare

KNOWN: Mapping[str, Collection[str]] = {"labels": LABELS, "decision": DECISIONS, "language": {"", *LANGUAGE_CODES}}

_TEXT = r'"_*"'
_USES = [
    re.compile(pattern)
    for pattern in (
        rf"(?P<texts>{_TEXT})\s+in\s+(?P<name>labels)\b",
        rf"(?<![\w.])(?P<name>decision|language)\s*[!=]=\s*(?P<texts>{_TEXT})",
        rf"(?P<texts>{_TEXT})\s*[!=]=\s*(?P<name>decision|language)\b",
        rf"(?<![\w.])(?P<name>decision|language)\s+in\s+\[(?P<texts>(?:\s|,|{_TEXT})*)\]",
    )
]
"""On an expression whose strings are blanked."""
_WRITTEN = re.compile(r"'([^'\\\n]*)'|\"([^\"\\\n]*)\"")


def find_unknown(expression: str) -> str | None:
    """Which word of an expression none of its kind is, for people; None if there is none."""
    for name, word in _compared(expression):
        if word not in KNOWN[name]:
            names = ", ".join(filter(None, sorted(KNOWN[name])))
            return f"{name} is never {word!r}; there are: {names}"
    return None


def _compared(expression: str) -> Iterator[tuple[str, str]]:
    code = bare(expression)
    for pattern in _USES:
        for use in pattern.finditer(code):
            texts = _WRITTEN.finditer(expression[use.start("texts") : use.end("texts")])
            yield from ((use["name"], text[1] if text[1] is not None else text[2]) for text in texts)
