"""What of a post lists and banks of hashes hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.evidence import HashMatch, ListMatch

MAX_NAMES = 100
"""Of lists and banks, as rules see them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found of lists in a post, and of banks of hashes in its media.

    Attributes
    ----------
    lists : tuple of ListMatch
    hashes : tuple of HashMatch
    """

    lists: tuple[ListMatch, ...] = ()
    hashes: tuple[HashMatch, ...] = ()

    def lists_by(self, action: str) -> list[str]:
        """Names of the lists of which an entry with this action was found, each once."""
        return _each_once(match.list for match in self.lists if match.action == action)

    @property
    def owners(self) -> list[str]:
        """Who answers for the blocking entries that were found, each once."""
        return _each_once(match.owner for match in self.lists if match.owner and match.action == "block")

    @property
    def banks(self) -> list[str]:
        """Names of the banks that a picture or clip matches, each once."""
        return _each_once(match.bank for match in self.hashes)


NOTHING_KNOWN = Known()


def _each_once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:MAX_NAMES]
