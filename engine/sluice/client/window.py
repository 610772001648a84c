"""Publishing no further ahead of the outcomes than a window: a broker that keeps little then drops nothing."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sluice.client.outcomes import CORRELATION_HEADER, Outcome, Outcomes
from sluice.client.publisher import Publisher, read_key
from sluice.errors import PublishError


@dataclass(frozen=True, slots=True)
class Window:
    """How far to publish ahead.

    Attributes
    ----------
    n_posts : int
        Posts without an outcome, at most.
    n_bytes : int
        Their bytes, at most; a single larger post goes alone. The embedded broker keeps 5 MB a partition.
    """

    n_posts: int = 256
    n_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """One message and what became of it.

    Attributes
    ----------
    index : int
        Its place among the messages given to `WindowedPublisher.exchange`.
    outcome : Outcome or None
        None if it could not be published.
    error : PublishError or None
        Why it could not.
    repeated : bool
        An outcome of this message came before.
    elapsed_s : float
        From handing it over to reading its outcome.
    """

    index: int
    outcome: Outcome | None
    error: PublishError | None
    repeated: bool
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    n_bytes: int
    since_s: float


class WindowedPublisher:
    """Publishes messages and finds the outcome of each, never more than a window ahead.

    Parameters
    ----------
    publisher : Publisher
        Sends the messages, with a `CORRELATION_HEADER` that is unique to this object and the message.
    outcomes : Outcomes
        Reads from before the first message was sent.
    stall_timeout_s : float
        Give up when nothing has come for so long.
    """

    def __init__(
        self, publisher: Publisher, outcomes: Outcomes, window: Window | None = None, *, stall_timeout_s: float = 60.0
    ) -> None:
        self._publisher = publisher
        self._outcomes = outcomes
        self._window = window or Window()
        self._stall_timeout_s = stall_timeout_s
        self._run = uuid.uuid4().hex
        self._n_sent = 0
        self._waiting: dict[int, _Waiting] = {}
        self._n_bytes = 0
        self._undelivered: list[Settled] = []
        self._moved_s = time.monotonic()

    @property
    def waiting(self) -> tuple[int, ...]:
        """The indices of the messages that have no outcome yet, ascending."""
        return tuple(sorted(self._waiting))

    def exchange(self, values: Iterable[bytes]) -> Iterator[Settled]:
        """Publish all and yield what became of each, in the order of the outcomes.

        Parameters
        ----------
        values : iterable of bytes
            Messages as they are; read only as fast as the window lets them go. Indices count on from the last call.

        Raises
        ------
        PublishError
            No outcome came for `stall_timeout_s`; `waiting` then holds the missing ones.
        """
        for message in map(self._publisher.move_media, values):
            self._moved_s = time.monotonic() if not self._waiting else self._moved_s
            while not self._has_room_for(message):
                yield from self._collect(0.1)
                self._raise_if_stalled()
            self._send(message)
            yield from self._collect(0.0)
        while self._waiting:
            yield from self._collect(0.1)
            self._raise_if_stalled()

    def settle_late(self, wait_s: float) -> list[Settled]:
        """What still comes within `wait_s` seconds after all have their outcome: repeated ones."""
        late: list[Settled] = []
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            late += self._collect(left_s)
        return late

    def _has_room_for(self, message: bytes) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < self._window.n_posts and self._n_bytes + len(message) <= self._window.n_bytes

    def _send(self, message: bytes) -> None:
        index, self._n_sent = self._n_sent, self._n_sent + 1
        started_s = time.monotonic()
        headers = [(CORRELATION_HEADER, f"{self._run}:{index}".encode())]
        self._waiting[index] = _Waiting(0, started_s)
        try:
            key = read_key(message)
            n_bytes = self._publisher.publish_bytes(message, key, headers, lambda error: self._fail(index, error))
        except PublishError as error:
            self._fail(index, error)
        else:
            self._occupy(index, n_bytes, started_s)

    def _occupy(self, index: int, n_bytes: int, since_s: float) -> None:
        if index in self._waiting:  # else its delivery has failed already
            self._waiting[index] = _Waiting(n_bytes, since_s)
            self._n_bytes += n_bytes

    def _fail(self, index: int, error: PublishError | None) -> None:
        if error is not None and index in self._waiting:
            self._undelivered.append(Settled(index, None, error, False, self._free(index)))

    def _free(self, index: int) -> float:
        """Take a message out of the window; seconds since it was sent, 0 if it was out."""
        waiting = self._waiting.pop(index, None)
        if waiting is None:
            return 0.0
        self._moved_s = time.monotonic()
        self._n_bytes -= waiting.n_bytes
        return self._moved_s - waiting.since_s

    def _collect(self, timeout_s: float) -> list[Settled]:
        self._publisher.poll(0)
        settled = [self._settle(outcome) for outcome in self._outcomes.poll(timeout_s)]
        undelivered, self._undelivered = self._undelivered, []
        return undelivered + [one for one in settled if one is not None]

    def _raise_if_stalled(self) -> None:
        stalled_s = time.monotonic() - self._moved_s
        if self._waiting and stalled_s > self._stall_timeout_s:
            raise PublishError(f"no outcome for {stalled_s:.0f} s, {len(self._waiting)} wait: is a worker running?")

    def _settle(self, outcome: Outcome) -> Settled | None:
        run, _, index = (outcome.correlation or "").partition(":")
        if run != self._run:
            return None
        repeated = int(index) not in self._waiting
        return Settled(int(index), outcome, None, repeated, self._free(int(index)))
