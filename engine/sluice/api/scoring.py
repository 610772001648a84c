"""Scores posts for requests: so many at once, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from sluice.errors import SluiceError
from sluice.schema import Post, Verdict
from sluice.verdict.policy import Policy

MAX_POSTS = 100
"""Of one request."""

LATE = "failed: late"
"""How the status of a part begins that the deadline came before."""


class Overloaded(SluiceError):
    """As many posts are being scored as may be at once; the same request may succeed a moment later."""


class DeadlinePassed(SluiceError):
    """The deadline came before a part was scored.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Of every post of the request, with what was scored by then.
    """

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        super().__init__("the deadline passed before every part was scored")
        self.verdicts = verdicts


class Scorer(Protocol):
    """The part of the pipeline that is needed here."""

    @property
    def policy(self) -> Policy:
        """What decides."""
        ...

    async def score(self, post: Post, published_at: float | None = None, *, in_full: bool = False) -> Verdict:
        """Score one post, with `in_full` by all models."""
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
        One with more posts than that is taken while there is no other.
    """

    def __init__(self, scorer: Scorer, max_in_flight: int) -> None:
        self._scorer = scorer
        self._max_in_flight = max_in_flight
        self._n_in_flight = 0

    @property
    def policy(self) -> Policy:
        """What decides."""
        return self._scorer.policy

    async def score(self, post: Post) -> Verdict:
        """Score one post; raises as `score_all` does."""
        return (await self.score_all([post]))[0]

    async def score_all(self, posts: Sequence[Post], *, in_full: bool = False) -> list[Verdict]:
        """Score the posts of one request: all of them are taken, or none.

        Parameters
        ----------
        in_full : bool
            Whether all models read every text: for who asks for scores.

        Raises
        ------
        Overloaded, DeadlinePassed
        InferenceUnavailable
            A model is away.
        """
        with self._admitted(len(posts)):
            verdicts = await self._gather(posts, in_full)
        if any(status.startswith(LATE) for verdict in verdicts for status in verdict.modalities.values()):
            raise DeadlinePassed(verdicts)
        return verdicts

    @contextmanager
    def _admitted(self, n_posts: int) -> Iterator[None]:
        if self._n_in_flight and self._n_in_flight + n_posts > self._max_in_flight:
            raise Overloaded(f"{self._n_in_flight} posts are being scored, and at most {self._max_in_flight} may be")
        self._n_in_flight += n_posts
        try:
            yield
        finally:
            self._n_in_flight -= n_posts

    async def _gather(self, posts: Sequence[Post], in_full: bool) -> list[Verdict]:
        """Verdicts in the posts' order. All have ended when the first error is raised: they count until then."""
        scorings = (self._scorer.score(post, in_full=in_full) for post in posts)
        outcomes = await asyncio.gather(*scorings, return_exceptions=True)
        verdicts = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            verdicts.append(outcome)
        return verdicts

    async def confirm(self) -> None:
        """Return if the models answer; raises `InferenceUnavailable`."""
        await self._scorer.confirm()
