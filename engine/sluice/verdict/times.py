"""Times as a verdict has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime


def in_ms(stage_s: Mapping[str, float]) -> dict[str, float]:
    """Seconds by stage in milliseconds, to the microsecond."""
    return {stage: round(seconds * 1000, 3) for stage, seconds in stage_s.items()}


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
