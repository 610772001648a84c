"""What the worker knowingly waits for: read by its readiness and by its watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pulse:
    """Notes each try during an outage: a worker that waits for Triton or Kafka is alive, though nothing comes out.

    Parameters
    ----------
    clock : callable
        Monotonic, in seconds.

    Attributes
    ----------
    tried_at : float
        When a post was last seen to wait for something that is known; minus infinity if never.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, str] = {}
        self.tried_at = float("-inf")

    def wait(self) -> None:
        """Note that posts wait for what is known: a model that is away, or posts before them that get done."""
        self.tried_at = self._clock()

    def refuse(self, topic: str, why: str) -> None:
        """Note that a topic did not take an outcome."""
        self._refused[topic] = why
        self.wait()

    def publish(self, topic: str) -> None:
        """Note that a topic took an outcome."""
        self._refused.pop(topic, None)

    @property
    def unpublished(self) -> str | None:
        """Why outcomes cannot be published, in one line; None if they can, or none was tried yet."""
        if not self._refused:
            return None
        return "outcomes cannot be published: " + ", ".join(f"{topic}: {why}" for topic, why in self._refused.items())
