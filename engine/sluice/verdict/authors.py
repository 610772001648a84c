"""Who knows what a post's author did before."""

from __future__ import annotations

from typing import Protocol

from sluice.schema import AuthorHistory, Post


class Authors(Protocol):
    """What is remembered of authors; `sluice.history` does."""

    def recall(self, post: Post, published_at: float | None) -> AuthorHistory | None:
        """What is known of a post's author, without the post itself; None for a post without one.

        Parameters
        ----------
        published_at : float or None
            When the post went into Kafka, in seconds since the epoch; None for a post that did not.
        """
        ...
