"""Rows on which a model crashes each time: found by scoring those that were under way when it went, one by one.

A model that is gone takes along every row of its requests, and each row's post is scored anew when it is back. A row
that was under way twice is then sent alone, with no other request beside it; one over which the model goes twice more
is given up. So a restart of Triton blames nobody: the same row would have to be alone at two of them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sluice.errors import ModelCrashed
from sluice.inference import Arrays

N_TOGETHER, N_ALONE = 2, 2
"""So often a model may go over a row among others, and over the row alone."""

FORGET_S = 900.0
"""What was so long ago does not count."""


@dataclass(slots=True)
class _Hits:
    n_together: int = 0
    n_alone: int = 0
    last_s: float = 0.0


@dataclass(slots=True)
class Suspects:
    """The rows that were under way when one model went away.

    Parameters
    ----------
    name : str
        The model's.
    clock : callable
        Monotonic, in seconds.
    """

    name: str
    clock: Callable[[], float] = time.monotonic
    _hits: dict[bytes, _Hits] = field(default_factory=dict)

    def require(self, rows: Sequence[Arrays]) -> None:
        """Raise `ModelCrashed` if the model goes over these rows each time."""
        if self._hits and self._of(rows).n_alone >= N_ALONE:
            raise ModelCrashed(f"{self.name} crashes on it")

    def holds(self, rows: Sequence[Arrays]) -> bool:
        """Whether rows, which travel together, have to travel without others."""
        return bool(self._hits) and self._of(rows).n_together >= N_TOGETHER

    def blame(self, jobs: Iterable[Sequence[Arrays]], *, alone: bool) -> None:
        """Note that the model went away while it had these."""
        now = self.clock()
        self._hits = {key: hits for key, hits in self._hits.items() if now - hits.last_s < FORGET_S}
        for rows in jobs:
            hits = self._hits.setdefault(_key(rows), _Hits())
            hits.last_s = now
            hits.n_alone += alone
            hits.n_together += not alone

    def acquit(self, jobs: Iterable[Sequence[Arrays]]) -> None:
        """Note that the model has answered these."""
        for rows in jobs if self._hits else ():
            self._hits.pop(_key(rows), None)

    def _of(self, rows: Sequence[Arrays]) -> _Hits:
        hits = self._hits.get(_key(rows), _Hits())
        return hits if self.clock() - hits.last_s < FORGET_S else _Hits()


def _key(rows: Sequence[Arrays]) -> bytes:
    """The same for the same rows: a post that is scored anew has new ones."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        for name, array in row.items():
            digest.update(f"{name} {array.shape} ".encode())
            digest.update(array.tobytes())
    return digest.digest()
