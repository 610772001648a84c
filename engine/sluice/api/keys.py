"""API keys: what is kept of them, what each may do, and how often.

A file of keys is YAML, one entry per name. Only the SHA-256 of a key is kept: a key is 256 random bits, so nothing
slower is needed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import msgspec
import yaml

from sluice.errors import SettingsError
from sluice.yaml_keys import find_repeated, line_of

Scope = Literal[
    "score",
    "feedback",
    "metrics",
    "policies",
    "lists",
    "hashes",
    "reports",
    "history",
    "explain",
    "backtest",
    "statistics",
    "audit",
    "transparency",
    "erase",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEY_BYTES = 32
KEY_PREFIX = "sk-sluice-"
"""So that scanners for leaked secrets can know one by its look."""
DAY_S = 86_400.0
_SHA256 = re.compile("[0-9a-fA-F]{64}")


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key in the file.

    Attributes
    ----------
    sha256 : str
        Of the key, in hexadecimal.
    scopes : tuple of str
        Of `SCOPES`.
    posts_per_s : float or None
        How many posts a second, as an average over some seconds; None for any.
    posts_per_day : int or None
        How many posts from midnight to midnight UTC; None for any. Counted by this process: it forgets when it ends.
    """

    sha256: str
    scopes: tuple[Scope, ...] = ("score",)
    posts_per_s: float | None = None
    posts_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a key may not go on for now.

    Attributes
    ----------
    retry_after_s : float
        Seconds from now.
    """

    detail: str
    retry_after_s: float


@dataclass(slots=True)
class TokenBucket:
    """So many tokens a second, of which `size` may be saved up; full at first.

    Parameters
    ----------
    rate : float
        Tokens a second.
    size : float
    now : float
        Seconds.
    """

    rate: float
    size: float
    now: float
    _level: float = field(init=False)

    def __post_init__(self) -> None:
        self._level = self.size

    def wait_s(self, n: int, now: float) -> float:
        """Seconds until `n` tokens are there, 0 if they are; more than `size` count as `size`."""
        self._level = min(self.size, self._level + max(0.0, now - self.now) * self.rate)
        self.now = now
        return max(0.0, min(float(n), self.size) - self._level) / self.rate

    def take(self, n: int) -> None:
        """Use tokens; what goes over is owed."""
        self._level -= n


class DailyQuota:
    """So many a day; a day begins at midnight UTC.

    Parameters
    ----------
    limit : int
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._day = 0.0
        self._n_used = 0

    def wait_s(self, n: int, now: float) -> float:
        """Seconds until `n` more may be had, 0 if they may be now; `now` in seconds since the epoch."""
        day = now // DAY_S
        if day > self._day:  # a clock that is put back gives nobody a second day
            self._day, self._n_used = day, 0
        return 0.0 if self._n_used + n <= self._limit else (self._day + 1) * DAY_S - now

    def take(self, n: int) -> None:
        """Use so many."""
        self._n_used += n


SAVED_S = 5.0
"""Seconds' worth of posts that a key may send at once."""


class Client:
    """Who calls: a key's name, scopes and limits."""

    def __init__(self, name: str, entry: KeyEntry, now: float) -> None:
        self.name = name
        self.scopes = frozenset(entry.scopes)
        self._limits: list[tuple[str, TokenBucket | DailyQuota]] = []
        if entry.posts_per_s is not None:
            size = max(1.0, entry.posts_per_s * SAVED_S)
            self._limits.append((f"{entry.posts_per_s:g} posts a second", TokenBucket(entry.posts_per_s, size, now)))
        if entry.posts_per_day is not None:
            self._limits.append((f"{entry.posts_per_day} posts a day", DailyQuota(entry.posts_per_day)))

    def admit(self, n_posts: int, now: float) -> Refusal | None:
        """Count `n_posts`, or say why not; nothing is counted then."""
        waits = [(limit.wait_s(n_posts, now), what) for what, limit in self._limits]
        wait_s, what = max(waits, default=(0.0, ""))
        if wait_s > 0:
            return Refusal(f"the key's limit is {what}", wait_s)
        for _, limit in self._limits:
            limit.take(n_posts)
        return None


class KeyRing:
    """The clients that may call.

    Parameters
    ----------
    entries : mapping of str to KeyEntry
        By name.
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, entries: Mapping[str, KeyEntry], clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._clients = {entry.sha256.lower(): Client(name, entry, clock()) for name, entry in entries.items()}

    def find(self, key: str) -> Client | None:
        """The client of a key. It is looked up by its hash, which says nothing of the key through time."""
        return self._clients.get(hash_key(key))


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def make_key() -> str:
    """A new key: 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def load_keys(file: Path) -> dict[str, KeyEntry]:
    """Read a file of keys.

    Raises
    ------
    SettingsError
        Naming the file and what is wrong, with its line where something stands there twice; never a hash.
    """
    try:
        content = file.read_bytes()
        entries = msgspec.yaml.decode(content, type=dict[str, KeyEntry])
        lines = _read_lines(content)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file}: not a file of keys: {error}") from error
    except _Repeats as error:
        raise SettingsError(f"{file}:{error}") from error
    for name, entry in entries.items():
        _check(file, name, entry)
    _refuse_shared(file, entries, lines)
    return entries


class _Repeats(Exception):
    """A name, or a field, that stands twice."""


def _read_lines(content: bytes) -> dict[str, int]:
    """The line of each name; raises `_Repeats`."""
    root = yaml.compose(content, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return {}
    if repeated := find_repeated(root):
        raise _Repeats(f"{repeated.line}: {repeated}")
    return {str(key.value): line_of(key) for key, _ in root.value}


def _refuse_shared(file: Path, entries: Mapping[str, KeyEntry], lines: Mapping[str, int]) -> None:
    """One key under two names would have the limits and scopes of the last one."""
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        owner = owners.setdefault(entry.sha256.lower(), name)
        if owner != name:
            raise SettingsError(f"{file}:{lines[name]}: {name} has the key of {owner} in line {lines[owner]}")


def _check(file: Path, name: str, entry: KeyEntry) -> None:
    if not _SHA256.fullmatch(entry.sha256):
        raise SettingsError(f"{file}: {name}: sha256 is not the SHA-256 of a key in hexadecimal")
    for what, limit in (("posts_per_s", entry.posts_per_s), ("posts_per_day", entry.posts_per_day)):
        if limit is not None and limit <= 0:
            raise SettingsError(f"{file}: {name}: {what} is above 0, or left out for no limit")
