"""Whether a model can be used: every kind of outage is recognised by one small probe, and ended by one.

A request that is refused, late or without an answer says little by itself: the row may be bad, the deadline short, the
server busy. So a doubt is settled by a probe, the smallest row there is. A model that does not answer it is away: its
requests fail at once, the posts behind them are kept, and probes go on until it answers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

import tenacity

from sluice.errors import InferenceUnavailable

logger = logging.getLogger(__name__)

MIN_SILENCE_S, MAX_SILENCE_S = 0.5, 2.0
"""With requests on the way and no answer for so long, a probe is sent; between these, twice the slowest answer."""

MIN_PATIENCE_S, MAX_PATIENCE_S = 1.5, 30.0
"""How long a probe may take; between these, three times the slowest answer: what is only busy answers by then."""

LENIENCE = 2.0
"""Each time the circuit opens, silence and probes may last so many times longer, until answers come again. Opening ends
the requests on the way, and with them the answers that would show how busy the model is: it would open for ever."""

MAX_PAUSE_S = 1.0
"""Longest pause between two probes of a model that is away."""

FORGET = 0.95
"""What is left of the slowest answer's weight after one more answer."""

Probe = Callable[[float], Awaitable[None]]
"""Score the smallest row within so many seconds; raises `InferenceError`."""


class Circuit:
    """Guards one model: closed while it answers, open while it is away, and in doubt for the time of one probe.

    Parameters
    ----------
    name : str
        The model's.
    probe : callable
    on_open : callable
        Called with the fault when the model turns out to be away: what waits for it need not wait longer.
    """

    def __init__(self, name: str, probe: Probe, on_open: Callable[[InferenceUnavailable], None]) -> None:
        self._name = name
        self._probe = probe
        self._on_open = on_open
        self._fault: InferenceUnavailable | None = None
        self._up, self._known = asyncio.Event(), asyncio.Event()
        self._up.set()
        self._known.set()
        self._settling: asyncio.Task[None] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._slowest_s = 0.0
        self._lenience = 1.0
        self._answered_at = float("-inf")
        self._n_under_way = 0
        self._under_way_since = 0.0
        self._unanswered_since: float | None = None

    @property
    def fault(self) -> InferenceUnavailable | None:
        """Why the model is away; None while it answers."""
        return self._fault

    def require(self) -> None:
        """Raise `InferenceUnavailable` unless the model is taken to answer."""
        if not self._up.is_set():
            raise self._fault or InferenceUnavailable(f"{self._name} does not answer, and is asked again", self._name)

    async def closed(self) -> None:
        """Return once the model is taken to answer."""
        await self._up.wait()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Around one request: its answer counts, and silence is noticed."""
        started = time.monotonic()
        if self._n_under_way == 0:
            self._under_way_since = started
        self._n_under_way += 1
        self._unanswered_since = self._unanswered_since or started
        self._listen()
        try:
            yield
        finally:
            self._n_under_way -= 1
        self._note_answer(time.monotonic() - started)

    def doubt(self, since: float) -> None:
        """Send a probe, unless the model has answered since then (on the monotonic clock)."""
        if self._settling is None and self._answered_at < since:
            self._up.clear()
            self._known.clear()
            self._settling = asyncio.create_task(self._settle())

    def note_late(self, since: float) -> None:
        """Note that a deadline came before an answer, to what was asked then (on the monotonic clock).

        That raises a doubt only after a silence: a caller who has no time left learns nothing of the model, and a probe
        holds up everybody else.
        """
        unanswered_since = self._unanswered_since
        if unanswered_since is not None and time.monotonic() - unanswered_since >= self._silence_s:
            self.doubt(since)

    async def confirm(self, since: float) -> None:
        """Return if the model has answered since then, or answers a probe; raises `InferenceUnavailable` if not."""
        self.doubt(since)
        await self._known.wait()
        self.require()

    def open(self, fault: InferenceUnavailable) -> None:
        """Take the model for away until it answers a probe."""
        self._declare(fault)
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle())

    async def stop(self) -> None:
        """Ask no more."""
        if self._silence:
            self._silence.cancel()
        if self._settling:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    @property
    def _silence_s(self) -> float:
        """How long no answer is nothing to wonder about."""
        return min(max(MIN_SILENCE_S, 2 * self._slowest_s), MAX_SILENCE_S) * self._lenience

    def _listen(self) -> None:
        if self._silence is None:
            silence_s = self._silence_s
            self._silence = asyncio.get_running_loop().call_later(silence_s, self._notice_silence, silence_s)

    def _notice_silence(self, silence_s: float) -> None:
        self._silence = None
        if self._n_under_way:
            quiet_since = max(self._answered_at, self._under_way_since)
            if time.monotonic() - quiet_since >= silence_s:
                self.doubt(time.monotonic())
            self._listen()

    def _note_answer(self, seconds: float) -> None:
        self._answered_at, self._unanswered_since = time.monotonic(), None
        self._slowest_s = max(seconds, FORGET * self._slowest_s)
        self._lenience = max(1.0, FORGET * self._lenience)

    async def _settle(self) -> None:
        """Probe until the model answers; without an answer to the first probe the circuit opens."""
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Exception),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_S),
            before_sleep=self._note_failure,
        )
        await attempts(self._ask)
        if self._fault is not None:
            logger.warning("%s answers again", self._name)
        self._fault = self._settling = None
        self._up.set()
        self._known.set()

    async def _ask(self) -> None:
        patience_s = min(max(MIN_PATIENCE_S, 3 * self._slowest_s) * self._lenience, MAX_PATIENCE_S)
        if self._fault is not None:
            await self._probe(patience_s)  # as old as the outage may be: how long it took says nothing of the model
        started = time.monotonic()
        await self._probe(patience_s)
        self._note_answer(time.monotonic() - started)

    def _declare(self, fault: InferenceUnavailable) -> None:
        is_news, self._fault = self._fault is None, fault
        self._up.clear()
        self._known.set()
        if is_news:
            self._lenience = min(LENIENCE * self._lenience, MAX_PATIENCE_S / MIN_PATIENCE_S)
            logger.warning("%s is away, posts that need it are kept: %s", self._name, fault)
            self._on_open(fault)

    def _note_failure(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, InferenceUnavailable):
            error = InferenceUnavailable(f"{self._name} is not ready: {error}", self._name)
        self._declare(error)
