"""Lists and banks of hashes of one moment, and what of a post they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime

from sluice.evidence import MAX_MATCHES, HashMatch, ListMatch
from sluice.features.text import MAX_WHOLE_CHARS
from sluice.hashes.finder import BankFinder, KnownFile
from sluice.lists.entries import Match
from sluice.lists.finder import ListFinder
from sluice.modalities.scored import ScoredPart
from sluice.schema import Post

LONG_CHARS = 4096
"""A longer text is searched on a thread: a character takes about a microsecond."""


class Watchlist:
    """What is looked for in every post. It never changes: another one takes its place.

    Parameters
    ----------
    lists : ListFinder or None
    banks : BankFinder or None

    Attributes
    ----------
    takes_digests, takes_prints : bool
        Whether the bytes of media, and the looks of pictures, are looked up in banks.
    """

    def __init__(self, lists: ListFinder | None = None, banks: BankFinder | None = None) -> None:
        self._lists = lists
        self._banks = banks
        self.takes_digests = banks is not None and banks.knows_bytes
        self.takes_prints = banks is not None and banks.knows_looks

    def key(self, post: Post, now: datetime) -> bytes:
        """Equal for two posts with the same text in which the same is found, as far as this process goes."""
        return b"" if self._lists is None else self._lists.key(post.author_id, now)

    def look(self, post: Post, now: datetime) -> Awaitable[tuple[ListMatch, ...]]:
        """What lists hold of a post's author and text, of which as much is searched as the text reader reads.

        The search has begun when this returns.
        """
        loop = asyncio.get_running_loop()
        if self._lists is not None and len(post.text or "") > LONG_CHARS:
            return loop.run_in_executor(None, self._find, self._lists, post, now)
        found = loop.create_future()
        found.set_result(() if self._lists is None else self._find(self._lists, post, now))
        return found

    async def match(self, parts: Sequence[ScoredPart]) -> tuple[HashMatch, ...]:
        """What banks hold of a post's media, by their bytes and by what pictures show."""
        files = [KnownFile(part.part.name, part.digests, part.prints) for part in parts if part.digests or part.prints]
        if self._banks is None or not files:
            return ()
        return await asyncio.to_thread(self._match, self._banks, files)

    @staticmethod
    def _match(banks: BankFinder, files: Sequence[KnownFile]) -> tuple[HashMatch, ...]:
        return tuple(match for known in files for match in banks.find(known))[:MAX_MATCHES]

    @staticmethod
    def _find(lists: ListFinder, post: Post, now: datetime) -> tuple[ListMatch, ...]:
        return tell(lists.find((post.text or "")[:MAX_WHOLE_CHARS], post.author_id, now))


NOTHING_WATCHED = Watchlist()


def tell(found: Sequence[Match]) -> tuple[ListMatch, ...]:
    """Matches as a verdict names them: up to `MAX_MATCHES`, of each list at least the first."""
    if len(found) > MAX_MATCHES:
        firsts = {(match.name, match.entry.action): match for match in reversed(found)}
        chosen = dict.fromkeys([*reversed(firsts.values()), *found])
        found = list(chosen)[:MAX_MATCHES]
    return tuple(_tell_all(found))


def _tell_all(found: Iterable[Match]) -> Iterable[ListMatch]:
    for match in found:
        entry = match.entry
        yield ListMatch(
            list=match.name,
            kind=entry.kind,
            value=entry.value,
            action=entry.action,
            start=match.start,
            end=match.end,
            owner=entry.owner,
            note=entry.note,
        )
