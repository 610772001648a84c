"""Where the history is kept: values by key, written together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from sluice.errors import SettingsError
from sluice.history.entries import newest_at


class Store(Protocol):
    """Values by key."""

    def get(self, key: bytes) -> bytes | None:
        """A value; None if there is none. For any thread."""
        ...

    def write(self, values: Mapping[bytes, bytes | None]) -> None:
        """Take values, all of them or, if the process ends meanwhile, none; None takes one away."""
        ...

    def compact(self) -> None:
        """See to it that what was taken away is on no disk."""
        ...

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All of them."""
        ...

    def drop_before(self, at_ms: int) -> None:
        """Forget the entries of authors who did nothing since, in milliseconds since the epoch."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


def is_entries(key: bytes) -> bool:
    """Whether a key is that of an author's entries."""
    return key[:1] != b"m"


class MemoryStore:
    """A `Store` that ends with the process."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """See `Store.get`."""
        return self._values.get(key)

    def write(self, values: Mapping[bytes, bytes | None]) -> None:
        """See `Store.write`."""
        for key, value in values.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value

    def compact(self) -> None:
        """See `Store.compact`."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See `Store.items`."""
        return iter(list(self._values.items()))

    def drop_before(self, at_ms: int) -> None:
        """See `Store.drop_before`."""
        old = [key for key, value in self.items() if is_entries(key) and newest_at(value) < at_ms]
        for key in old:
            del self._values[key]

    def clear(self) -> None:
        """See `Store.clear`."""
        self._values.clear()

    def close(self) -> None:
        """See `Store.close`."""


MAX_SHARING = 64
"""Workers that may keep their histories in one folder."""


class RocksStore:
    """A `Store` in a folder: RocksDB, whose log makes a write whole or nothing when the process is killed.

    Parameters
    ----------
    folder : Path
        Made if it is missing. Each process takes the first folder in it, ``0``, ``1``, …, that no other has open.

    Raises
    ------
    SettingsError
        The extra ``history`` is not installed, or the folder cannot be used.

    Notes
    -----
    Without RocksDB's own time to live: a second folder that a process opens with one gets its filter twice, and the
    inner one takes the end of each value for a time, and drops what is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rocks = _load_rocksdict()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = self._open_free()
        except Exception as error:  # the library raises nothing more exact
            raise SettingsError(f"SLUICE_HISTORY_DIR: {folder} cannot be used: {error}") from error

    def _open_free(self) -> Any:
        for number in range(MAX_SHARING - 1):
            try:
                return self._open(self._folder / str(number))
            except Exception as error:
                if "lock" not in str(error).lower():
                    raise
        return self._open(self._folder / str(MAX_SHARING - 1))

    def _open(self, path: Path) -> Any:
        options = self._rocks.Options(raw_mode=True)
        options.create_if_missing(True)
        return self._rocks.Rdict(str(path), options)

    def get(self, key: bytes) -> bytes | None:
        """See `Store.get`."""
        found: bytes | None = self._database.get(key)
        return found

    def write(self, values: Mapping[bytes, bytes | None]) -> None:
        """See `Store.write`."""
        batch = self._rocks.WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._database.write(batch)

    def compact(self) -> None:
        """See `Store.compact`: into a new file goes what is there, and the others and their log are deleted."""
        self._database.flush()
        self._database.compact_range(None, None)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See `Store.items`."""
        return iter(self._database.items())

    def drop_before(self, at_ms: int) -> None:
        """See `Store.drop_before`."""
        old = [key for key, value in self.items() if is_entries(key) and newest_at(value) < at_ms]
        for key in old:
            self._database.delete(key)

    def clear(self) -> None:
        """See `Store.clear`."""
        for key in list(self._database.keys()):
            self._database.delete(key)

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()


def _load_rocksdict() -> Any:
    try:
        import rocksdict
    except ImportError as error:
        raise SettingsError(
            f"SLUICE_HISTORY_DIR needs the extra [history]: pip install 'sluice-moderation[history]' ({error})"
        ) from error
    return rocksdict
