"""What was found where, and what became of it."""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, kw_only=True):
    """One place.

    Attributes
    ----------
    kind : str
        ``topic``, ``list``, ``policy``, ``media``, ``audit log`` or ``history``.
    found, erased : int
        Records, entries or files.
    copied : int
        Messages of others that were written once more.
    dropped : int
        Posts of others that were deleted with them: they had their verdicts.
    left : int
        Found by the second look; of a group of workers, how many have not said that they looked.
    note : str
        What a person has to know or to do.
    """

    kind: str
    where: str
    found: int = 0
    erased: int = 0
    copied: int = 0
    dropped: int = 0
    left: int = 0
    note: str = ""


class Report(msgspec.Struct, kw_only=True):
    """Of one erasure.

    Attributes
    ----------
    erased_at : str
        RFC 3339, UTC; empty if nothing was to be erased.
    n_posts : int
        Of theirs, as far as anything still named them.
    """

    erased_at: str
    n_posts: int
    rows: list[Row]

    @property
    def is_clean(self) -> bool:
        """Whether the second look found nothing."""
        return not any(row.left for row in self.rows)
