"""Where the sentences of a text begin: by their marks at the end, or by lines."""

from __future__ import annotations

import re

_TITLES = r"(?<!\b(?:Mr|Ms|Dr|St|Sr|Jr|vs)\.)(?<!\bMrs\.)(?<!\b[A-HJ-Z]\.)"
_CLOSING = "[\"'”’»」』)\\]]*"
_END = re.compile(
    rf"(?<=[.!?…؟।]){_TITLES}{_CLOSING}\s+"  # a mark between spaces ends a sentence ...
    rf"|(?<=[。！？；]){_CLOSING}\s*"  # ... and one of a script without spaces wherever it stands
    r"|\s*\n\s*"
)
SHORTEST = 3
"""Letters and digits of a sentence that stands alone; a shorter one belongs to the one before."""


def find_sentences(text: str) -> list[int]:
    """Where each sentence of a text begins; what is behind a sentence belongs to it.

    Examples
    --------
    >>> find_sentences("Hello Dr. Who! Are you in? Yes")
    [0, 15, 27]
    """
    found = [0]
    for match in _END.finditer(text):
        if _count_letters(text[found[-1] : match.start()]) >= SHORTEST:
            found.append(match.end())
    if len(found) > 1 and _count_letters(text[found[-1] :]) < SHORTEST:
        found.pop()
    return found


def _count_letters(text: str) -> int:
    return sum(map(str.isalnum, text))
