"""One row, one round: started, warmed up, loaded, and stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from sluice.bench.limits import N_SWEPT, Curves, Limit, Limiter
from sluice.bench.names import RowName
from sluice.bench.profiling import recording
from sluice.bench.remote import Remote
from sluice.bench.servers import Servers
from sluice.bench.soak import Slope, fit_slope
from sluice.bench.trace import Arrivals, Closed, Open, Trace, percentile
from sluice.bench.usage import UsageWatch
from sluice.errors import StackError
from sluice.schema import Post

WINDOW = 128
"""Posts under way while the capacity is measured: more than batches want, few enough to be done by their deadlines."""
IDLE_S = 4.0
GENERATOR = "generator"


@dataclass(frozen=True)
class Round:
    """What one round of a row came to.

    Attributes
    ----------
    cpu_ms : mapping of str to float
        Milliseconds of CPU per post, by role; the generator's too.
    peak_mb : mapping of str to float
        Most resident memory, by role.
    generator_cores : float
        How much of the machine the generator took.
    answers : mapping of str to bytes
        The first outcomes, by the post's id.
    """

    posts_per_s: float
    cpu_ms: Mapping[str, float]
    peak_mb: Mapping[str, float]
    generator_cores: float = 0.0
    n_lost: int = 0
    n_dead: int = 0
    n_late: int = 0
    answers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """What posts waited at one load, in milliseconds; infinite for one without an outcome.

    Attributes
    ----------
    load : float
        Share of the row's capacity; 0 for one post at a time.
    """

    load: float
    rate_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    n_posts: int
    generator_cores: float


class Bench:
    """Measures rows on servers that run.

    Parameters
    ----------
    servers : Servers
    seconds : float
        Of each load.
    """

    def __init__(self, servers: Servers, seconds: float, warm_up: Sequence[Post]) -> None:
        self._servers = servers
        self._seconds = seconds
        self._warm_up = warm_up

    def measure_capacity(self, row: RowName, posts: Sequence[Post], profile: Path | None = None) -> Round:
        """Posts per second with always enough posts under way; raises `StackError`.

        Parameters
        ----------
        profile : Path or None
            Takes a flame graph of the worker under this load.
        """
        with self._servers.start(row) as running, UsageWatch(running.roots) as usage:
            running.load.call("warm_up", self._warm_up)
            with recording(running.worker_pid(), profile, self._seconds) if profile else nullcontext():
                trace: Trace = running.load.call("run", Closed(WINDOW, self._seconds), posts)
        return summarise(trace, usage)

    def measure_memory(self, row: RowName, posts: Sequence[Post], seconds: float) -> dict[str, Slope]:
        """How the memory of each role goes at full load; raises `StackError`."""
        with self._servers.start(row) as running, UsageWatch(running.roots) as usage:
            running.load.call("warm_up", self._warm_up)
            begin = time.time()
            running.load.call("soak", Closed(WINDOW, seconds), posts)
        roles = usage.peak_mb()
        return {role: fit_slope([look for look in usage.memory(role) if look[0] >= begin]) for role in roles}

    def measure_latency(
        self, row: RowName, posts: Sequence[Post], capacity_per_s: float, loads: Sequence[float], arrivals: Arrivals
    ) -> list[Latency]:
        """Latencies of one post at a time, and at shares of the capacity; raises `StackError`."""
        found = []
        with self._servers.start(row) as running:
            running.load.call("warm_up", self._warm_up)
            left = list(posts)
            for load in (0.0, *loads):
                rate = load * capacity_per_s
                plan = Open(rate, self._seconds, round(load * 100), arrivals) if load else Closed(1, IDLE_S)
                trace: Trace = running.load.call("run", plan, left)
                left = [post for post in left if post.id not in trace.due]
                found.append(_latency(trace, load, rate))
        return found

    def measure_limit(self, row: RowName, posts: Sequence[Post], curves: Curves | None) -> tuple[Round, Curves]:
        """The encoders alone: a round, and rows per second by batch size if not given; raises `StackError`."""
        triton = self._servers.triton if row is RowName.limit_triton else None
        with Remote(Limiter, triton) as limiter:
            roots = self._servers.shared_roots() if triton else {"models": lambda: [limiter.pid]}
            curves = curves or limiter.call("sweep", posts[:N_SWEPT])
            with UsageWatch(roots) as usage:
                limit: Limit = limiter.call("run", posts, curves, self._seconds)
        cpu_ms = {role: 1e3 * s / limit.n_posts for role, s in usage.cpu_s(limit.begin, limit.end).items()}
        return Round(limit.posts_per_s, cpu_ms, usage.peak_mb()), curves


def summarise(trace: Trace, usage: UsageWatch) -> Round:
    """The figures of one capacity load; raises `StackError` if nothing came back."""
    n_done = trace.n_done
    if not n_done:
        raise StackError("no post had an outcome while the load was on")
    taken = {**usage.cpu_s(trace.begin, trace.end), GENERATOR: trace.cpu_s}
    return Round(
        posts_per_s=trace.posts_per_s,
        cpu_ms={role: 1e3 * seconds / n_done for role, seconds in taken.items()},
        peak_mb=usage.peak_mb(),
        generator_cores=trace.cpu_s / trace.seconds,
        n_lost=trace.n_lost,
        n_dead=trace.n_dead,
        n_late=trace.n_late,
        answers=trace.answers,
    )


def _latency(trace: Trace, load: float, rate_per_s: float) -> Latency:
    waited = trace.latencies_s()
    p50, p95, p99 = (1e3 * percentile(waited, share) for share in (0.50, 0.95, 0.99))
    return Latency(load, rate_per_s, p50, p95, p99, len(waited), trace.cpu_s / trace.seconds)
