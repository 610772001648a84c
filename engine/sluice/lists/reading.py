"""A post's text as words and phrases are looked for in it."""

from __future__ import annotations

import numpy as np

from sluice.features.seen import Seen
from sluice.features.traces import Traced


def read_letters(seen: Seen) -> Traced:
    """Its words, as the text reader gets them, without capitals."""
    read, origin = seen.words
    folded = read.casefold()
    if len(folded) == len(read):
        return folded, origin
    lengths = [len(character.casefold()) for character in read]
    return folded, np.append(np.repeat(origin[:-1], lengths), origin[-1])
