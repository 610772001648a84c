"""What a process looks for: lists and banks of files, which may be read again, and those of the topics over them."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sluice.errors import HashError, ListError, WatchError
from sluice.hashes.bank import Bank
from sluice.hashes.files import bank_files, read_banks
from sluice.hashes.finder import BankFinder
from sluice.lists.entries import Entry
from sluice.lists.files import limit_patterns, list_files, read_lists
from sluice.lists.finder import ListFinder
from sluice.metrics import Metrics
from sluice.verdict.watchlist import Watchlist
from sluice.watching.hashes import BANKS
from sluice.watching.lists import LISTS

logger = logging.getLogger(__name__)


class Shelf(Protocol):
    """One kind of what is looked for: files, and what a topic has over them."""

    def reread(self) -> None:
        """Read the files again, and compile; raises `SluiceError` and changes nothing if one is wrong."""
        ...

    def lay_over(self, contents: Mapping[str, Sequence[bytes]]) -> None:
        """Put what a topic has in place of files of the same names, and compile. It may take a while, on any thread."""
        ...


class ListShelf:
    """Lists.

    Parameters
    ----------
    path : Path or None
        A file, or a folder of them; None for none.
    metrics : Metrics
        Told how many entries each list has, and how often they were changed.

    Attributes
    ----------
    finder : ListFinder or None
        What was compiled last; None without a list.

    Raises
    ------
    ListError
        A file is wrong, at the start.
    """

    def __init__(self, path: Path | None, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._changing = threading.Lock()
        self._files: Mapping[str, Sequence[Entry]] = {}
        self._shared: Mapping[str, Sequence[Entry]] = {}
        self._named: frozenset[str] = frozenset()
        self.finder: ListFinder | None = None
        self.reread()

    def reread(self) -> None:
        """See `Shelf.reread`."""
        files = read_lists(list_files(self._path)) if self._path else {}
        with self._changing:
            self._compile({**files, **self._shared})
            self._files = files

    def lay_over(self, contents: Mapping[str, Sequence[bytes]]) -> None:
        """See `Shelf.lay_over`; of a list that cannot be looked for, what was there before stays."""
        with self._changing:
            read = {name: self._unpack(name, chunks) for name, chunks in contents.items()}
            shared = {name: entries for name, entries in read.items() if entries is not None}
            try:
                self._compile({**self._files, **shared})
            except ListError:
                shared = self._fitting(shared)
                self._compile({**self._files, **shared})
            self._shared = shared

    def _unpack(self, name: str, chunks: Sequence[bytes]) -> Sequence[Entry] | None:
        try:
            return LISTS.unpack(chunks)
        except ListError as error:
            self._refuse(name, error)
            return self._shared.get(name)

    def _fitting(self, shared: Mapping[str, Sequence[Entry]]) -> dict[str, Sequence[Entry]]:
        """Lists that can be looked for, by themselves and beside the files and the lists before them."""
        fitting: dict[str, Sequence[Entry]] = {}
        for name, entries in shared.items():
            for each in (entries, self._shared.get(name)):
                if each is not None and self._fits(name, each, fitting):
                    fitting[name] = each
                    break
        return fitting

    def _fits(self, name: str, entries: Sequence[Entry], others: Mapping[str, Sequence[Entry]]) -> bool:
        together = {**self._files, **others, name: entries}
        try:
            ListFinder({name: entries})
            limit_patterns("all lists together", (entry for each in together.values() for entry in each))
        except ListError as error:
            self._refuse(name, error)
            return False
        return True

    def _refuse(self, name: str, error: ListError) -> None:
        self._metrics.list_reloads.labels("refused").inc()
        logger.error("the list %s is refused: %s", name, error)

    def _compile(self, lists: Mapping[str, Sequence[Entry]]) -> None:
        self.finder = ListFinder(lists) if lists else None
        gc.freeze()  # Python's collector would walk over every entry each time, while no post moves
        for gone in self._named - lists.keys():
            self._metrics.list_entries.remove(gone)
        for name, entries in lists.items():
            self._metrics.list_entries.labels(name).set(len(entries))
        self._named = frozenset(lists)
        self._metrics.list_reloads.labels("taken").inc()


class BankShelf:
    """Banks of hashes.

    Parameters
    ----------
    path : Path or None
        A file, or a folder of them; None for none.
    metrics : Metrics
        Told how many hashes each bank has.

    Attributes
    ----------
    finder : BankFinder or None
        What was made last; None without a bank.

    Raises
    ------
    HashError
        A file is wrong, at the start.
    """

    def __init__(self, path: Path | None, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._changing = threading.Lock()
        self._files: Mapping[str, Bank] = {}
        self._shared: Mapping[str, Bank] = {}
        self._named: frozenset[str] = frozenset()
        self.finder: BankFinder | None = None
        self.reread()

    def reread(self) -> None:
        """See `Shelf.reread`."""
        files = read_banks(bank_files(self._path)) if self._path else {}
        with self._changing:
            self._make({**files, **self._shared})
            self._files = files

    def lay_over(self, contents: Mapping[str, Sequence[bytes]]) -> None:
        """See `Shelf.lay_over`; of a bank that cannot be read, what was there before stays."""
        with self._changing:
            banks = {name: self._unpack(name, chunks) for name, chunks in contents.items()}
            self._shared = {name: bank for name, bank in banks.items() if bank is not None}  # or what was there before
            self._make({**self._files, **self._shared})

    def _unpack(self, name: str, chunks: Sequence[bytes]) -> Bank | None:
        try:
            return BANKS.unpack(chunks)
        except HashError as error:
            logger.error("the bank %s is refused: %s", name, error)
            return self._shared.get(name)

    def _make(self, banks: Mapping[str, Bank]) -> None:
        self.finder = BankFinder(banks) if banks else None
        for gone in self._named - banks.keys():
            self._metrics.bank_hashes.remove(gone)
        for name, bank in banks.items():
            self._metrics.bank_hashes.labels(name).set(len(bank))
        self._named = frozenset(banks)


class Watched:
    """Hands what is looked for to whoever scores posts.

    Parameters
    ----------
    lists, hashes : Path or None
        See `ListShelf` and `BankShelf`.

    Attributes
    ----------
    current : Watchlist
    """

    def __init__(self, lists: Path | None, hashes: Path | None, metrics: Metrics) -> None:
        self.lists, self.banks = ListShelf(lists, metrics), BankShelf(hashes, metrics)
        self._uses: list[Callable[[Watchlist], None]] = []
        self.current = self._made()

    def _made(self) -> Watchlist:
        return Watchlist(self.lists.finder, self.banks.finder)

    def used_by(self, use: Callable[[Watchlist], None]) -> None:
        """Call `use` with what is looked for now, and with all that is from now on."""
        self._uses.append(use)
        use(self.current)

    def use(self) -> None:
        """Look for what the shelves hold now, on the loop's thread."""
        self.current = self._made()
        for use in self._uses:
            use(self.current)

    def reload(self) -> None:
        """Read the files again, on a thread; a wrong one changes nothing but the log."""
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, self._reread, loop)

    def _reread(self, loop: asyncio.AbstractEventLoop) -> None:
        for shelf in (self.lists, self.banks):
            try:
                shelf.reread()
            except WatchError as error:
                logger.error("what is looked for stays as it is: %s", error)
        loop.call_soon_threadsafe(self.use)
