"""Scores posts for requests: so many at once, and in time."""

from __future__ import annotations

from typing import Protocol

from sluice.errors import SluiceError
from sluice.schema import Post, Verdict

LATE = "failed: late"
"""How the status of a part begins that the deadline came before."""


class Overloaded(SluiceError):
    """As many posts are being scored as may be at once; the same request may succeed a moment later."""


class DeadlinePassed(SluiceError):
    """The deadline came before a part was scored.

    Parameters
    ----------
    verdict : Verdict
        With what was scored by then.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("the deadline passed before every part was scored")
        self.verdict = verdict


class Scorer(Protocol):
    """The part of the pipeline that is needed here."""

    async def score(self, post: Post, published_at: float | None = None) -> Verdict:
        """Score one post."""
        ...

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """Return if the models answer."""
        ...


class ScoringService:
    """What the endpoints share.

    Parameters
    ----------
    scorer : Scorer
    max_in_flight : int
        Posts that are scored at once; a request that would go over is refused, so that memory and time stay bounded.
    """

    def __init__(self, scorer: Scorer, max_in_flight: int) -> None:
        self._scorer = scorer
        self._max_in_flight = max_in_flight
        self._n_in_flight = 0

    async def score(self, post: Post) -> Verdict:
        """Score one post.

        Raises
        ------
        Overloaded, DeadlinePassed
        InferenceUnavailable
            A model is away.
        """
        if self._n_in_flight >= self._max_in_flight:
            raise Overloaded(f"{self._n_in_flight} posts are being scored, as many as may be at once")
        self._n_in_flight += 1
        try:
            verdict = await self._scorer.score(post)
        finally:
            self._n_in_flight -= 1
        if any(status.startswith(LATE) for status in verdict.modalities.values()):
            raise DeadlinePassed(verdict)
        return verdict

    async def confirm(self) -> None:
        """Return if the models answer; raises `InferenceUnavailable`."""
        await self._scorer.confirm()
