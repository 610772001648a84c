"""A text as people see it, step by step: the text reader, lists and what is known of authors ask for the same one."""

from __future__ import annotations

from functools import lru_cache

from sluice.features.folding import fold
from sluice.features.markup import undo_markup
from sluice.features.normalisation import normalise
from sluice.features.traces import Traced

KEPT_CHARS = 1_000
"""Longer texts are few, and read anew each time."""
N_KEPT = 512
"""Texts: as many as are under way at once. Together they take 12 MB at most, and about one as texts mostly are."""


class Seen:
    """A text, and what is left of it after each step. Each is taken when it is asked for, and once.

    Parameters
    ----------
    text : str
        Any code points.

    Attributes
    ----------
    shown : Traced
        Without markup, its places in the text as published.
    """

    __slots__ = ("_folded", "_normalised", "shown")

    def __init__(self, text: str) -> None:
        self.shown = undo_markup(text)
        self._normalised: Traced | None = None
        self._folded: Traced | None = None

    @property
    def normalised(self) -> Traced:
        """Without what nobody sees, letters and digits as they are; its places in `shown`."""
        if self._normalised is None:
            self._normalised = normalise(self.shown[0])
        return self._normalised

    @property
    def folded(self) -> Traced:
        """With hidden words spelled plainly; its places in `shown`."""
        if self._folded is None:
            self._folded = fold(self.normalised)
        return self._folded

    @property
    def plain(self) -> Traced:
        """What is `normalised`, its places in the text as published: addresses are spelled so."""
        return self._as_published(self.normalised)

    @property
    def words(self) -> Traced:
        """What is `folded`, its places in the text as published."""
        return self._as_published(self.folded)

    def _as_published(self, traced: Traced) -> Traced:
        read, inner = traced
        return read, self.shown[1][inner]


def see(text: str) -> Seen:
    """A post's text; asked again within a moment, what was done for it before."""
    return _see_again(text) if len(text) <= KEPT_CHARS else Seen(text)


_see_again = lru_cache(maxsize=N_KEPT)(Seen)
