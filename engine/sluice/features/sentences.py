"""Where the sentences of a text begin: by their marks at the end, or by lines."""

from __future__ import annotations

import re

_TITLES = r"(?<!\b(?:Mr|Ms|Dr|St|Sr|Jr|vs)\.)(?<!\bMrs\.)(?<!\b[A-HJ-Z]\.)"
_CLOSING = "[\"'”’»」』)\\]]*"
_END = re.compile(
    rf"(?<=[.!?…؟।]){_TITLES}{_CLOSING}\s+"  # a mark between spaces ends a sentence ...
    rf"|(?<=[。！？；]){_CLOSING}\s*"  # ... and one of a script without spaces wherever it stands
    r"|\n\s*"
)
_MARK = re.compile("[.!?…؟।。！？；\n]")
"""No sentence ends before one of these."""
SHORTEST = 3
"""Letters and digits of a sentence that stands alone; a shorter one belongs to the one before."""


def find_sentences(text: str) -> list[int]:
    """Where each sentence of a text begins; what is behind a sentence belongs to it.

    Examples
    --------
    >>> find_sentences("Hello Dr. Who! Are you in? Yes")
    [0, 15, 27]
    """
    first = _MARK.search(text)
    if first is None:
        return [0]
    found, n_letters, place = [0], 0, 0
    for match in _END.finditer(text, first.start()):
        n_letters += _count_letters(text[place : match.start()])
        place = match.end()
        if n_letters >= SHORTEST:
            found.append(place)
            n_letters = 0
    if len(found) > 1 and n_letters + _count_letters(text[place:]) < SHORTEST:
        found.pop()
    return found


def _count_letters(text: str) -> int:
    return sum(map(str.isalnum, text))
