"""A post's text as each kind of entry is looked for in it."""

from __future__ import annotations

import numpy as np

from sluice.features.folding import fold
from sluice.features.markup import undo_markup
from sluice.features.normalisation import normalise
from sluice.features.traces import Traced


def read_plainly(text: str) -> Traced:
    """Without markup and what nobody sees, letters and digits as they are: addresses are spelled so."""
    shown, origin = undo_markup(text)
    read, inner = normalise(shown)
    return read, origin[inner]


def read_words(plain: Traced) -> Traced:
    """What `read_plainly` returned, as `sluice.features.folding.prepare` gives it to the text reader."""
    return fold(plain)


def read_letters(plain: Traced) -> Traced:
    """The same without capitals."""
    read, origin = read_words(plain)
    folded = read.casefold()
    if len(folded) == len(read):
        return folded, origin
    lengths = [len(character.casefold()) for character in read]
    return folded, np.append(np.repeat(origin[:-1], lengths), origin[-1])
