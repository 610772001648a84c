"""In which order posts that are picked up begin, where more are than can be scored at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice.schema import Post
from sluice.stream.dead_letters import Message

Rank = Callable[[Message, Post], float]
"""The post of the lowest rank begins first; of one rank, the one that came first."""


def first_come(message: Message, post: Post) -> float:
    """All of one rank."""
    return 0.0


def newest_deadline_first(default_ms: int, clock: Callable[[], float] = time.time) -> Rank:
    """The later a post's verdict is due, counted from when it was published, the sooner it begins.

    Parameters
    ----------
    default_ms : int
        For posts that name no deadline.
    clock : callable
        Seconds since the epoch: for posts that do not say when they were published.
    """

    def rank(message: Message, post: Post) -> float:
        published_at = clock() if message.published_at is None else message.published_at
        return -(published_at + (post.deadline_ms or default_ms) / 1000)

    return rank
