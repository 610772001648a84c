"""When a request is sent again: scoring changes nothing, so it always may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tenacity

from sluice.http.errors import ApiUnavailable

_JITTER = tenacity.wait_random_exponential(multiplier=0.2, max=10)


@dataclass(frozen=True, slots=True)
class Retries:
    """How long a client tries.

    Attributes
    ----------
    attempts : int
        Of one request, the first included; 1 or more.
    max_pause_s : float
        Longest pause, in seconds, that a server may ask for; one that asks for a longer one is not asked again.
    """

    attempts: int = 4
    max_pause_s: float = 60.0

    def as_options(self) -> dict[str, Any]:
        """For tenacity, synchronous or not."""
        return {
            "retry": tenacity.retry_if_exception(self._is_worth_it),
            "stop": tenacity.stop_after_attempt(self.attempts),
            "wait": self._pause_s,
            "reraise": True,
        }

    def _is_worth_it(self, error: BaseException) -> bool:
        return isinstance(error, ApiUnavailable) and (error.retry_after_s or 0.0) <= self.max_pause_s

    def _pause_s(self, state: tenacity.RetryCallState) -> float:
        """What the server asks for, and some more, so that not all come back at once."""
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.retry_after_s if isinstance(error, ApiUnavailable) else None
        return (asked_s or 0.0) + float(_JITTER(state))
