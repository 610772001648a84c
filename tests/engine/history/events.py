"""Events for the tests of the history."""

from __future__ import annotations

from hypothesis import strategies as st

from sluice.history.config import HistoryConfig
from sluice.history.counts import DAY_MS, HOUR_MS
from sluice.history.events import Event
from sluice.schema import DECISIONS, Decision

NOW_MS = 1_800_000_000_000
CONFIG = HistoryConfig(b"secret", half_life_h=24.0, days=7.0)


def verdict(name: str, ago_ms: int = 0, decision: Decision = "allow", text: int = 0, author: str = "u-1") -> Event:
    return Event("t", author, name, NOW_MS - ago_ms, DECISIONS.index(decision), text)


def report(name: str, ago_ms: int = 0, author: str = "u-1") -> Event:
    return Event("t", author, name, NOW_MS - ago_ms)


TIMES = st.integers(0, 9 * DAY_MS).map(lambda ago_ms: NOW_MS - ago_ms // HOUR_MS * HOUR_MS)
EVENTS = st.lists(
    st.builds(
        Event,
        tenant=st.sampled_from([None, "t"]),
        author=st.sampled_from(["u-1", "u-2"]),
        name=st.integers(0, 30).map(str),
        at_ms=TIMES,
        decision=st.none() | st.integers(0, 2),
        text=st.integers(0, 3),
    ),
    min_size=1,
    max_size=60,
)
