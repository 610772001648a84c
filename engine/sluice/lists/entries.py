"""What a list holds, and what is found of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["word", "phrase", "regex", "domain", "url", "author"]
Action = Literal["block", "allow"]

MAX_CHARS = 256
"""Of a value."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):  # a million are walked for nothing
    """One line of a list.

    Attributes
    ----------
    kind : str
        ``word`` and ``phrase`` are found as whole words, however they are spelled; ``regex`` is RE2's, over the text as
        it is read; ``domain`` names a site and all below it, ``url`` a site's path and all below that; ``author`` is an
        ``author_id``.
    action : str
        ``allow`` takes back what a ``block`` finds at the same place.
    owner, note : str or None
        Who answers for it, and why it is there.
    expires : datetime or None
        From when on it is not looked for; with a time zone.
    """

    kind: Kind
    value: str
    action: Action = "block"
    owner: str | None = None
    note: str | None = None
    expires: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is looked for at a time."""
        return self.expires is None or now < self.expires


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry that a post holds.

    Attributes
    ----------
    name : str
        Of the list.
    start, end : int or None
        The first place, as indices into the post's text; None for an author.
    """

    name: str
    entry: Entry
    start: int | None = None
    end: int | None = None

    @property
    def is_link(self) -> bool:
        """Whether it is a site or a path of one."""
        return self.entry.kind in ("domain", "url")
