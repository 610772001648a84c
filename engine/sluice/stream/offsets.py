"""How far a partition is read and done, and what of it Kafka dropped unread. Pure bookkeeping: no Faust, no Kafka."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass, field

from sluice.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """How far one partition is, as offsets; None where there is nothing yet.

    Attributes
    ----------
    delivered : int or None
        Of the last message that was handed to the stream.
    done : int or None
        Of the last message that was acknowledged; messages are acknowledged in order.
    position : int or None
        What is fetched next, once everything before was handed to the stream.
    committed : int
        What Kafka holds, 0 if nothing.
    """

    delivered: int | None = None
    done: int | None = None
    position: int | None = None
    committed: int = 0

    def committable(self) -> int | None:
        """The offset that may be committed: everything before it is done.

        Where nothing is in flight it is the position, which also lies behind what is no message: the markers of
        transactions, what aborted ones wrote, and holes of any size.
        """
        behind_done = None if self.done is None else self.done + 1
        if self.delivered == self.done and self.position is not None:
            return max(self.position, behind_done or 0)
        return behind_done


@dataclass(slots=True)
class Rounds:
    """Tells a partition that is read anew (offsets fall) from one that is read on (offsets rise).

    A topic that was deleted and made anew starts at 0 again. What is in flight of the old one must not be acknowledged
    as if it were of the new one.
    """

    _at: dict[Hashable, tuple[Hashable, int, int]] = field(default_factory=dict)

    def of(self, partition: Hashable, generation: Hashable, offset: int) -> int:
        """How often the partition was begun anew within the generation, this message included."""
        last_generation, n_round, last_offset = self._at.get(partition, (generation, 0, -1))
        if generation != last_generation:
            n_round = 0
        elif offset <= last_offset:
            n_round += 1
        self._at[partition] = (generation, n_round, offset)
        return n_round


class Skipped:
    """Says which posts Kafka dropped before they were read, in a metric and a warning."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def note(self, topic: str, partition: int, start: int, end: int, why: str) -> None:
        """Note that the offsets `start` up to, not including, `end` will never be read. Safe in any thread."""
        if end <= start:
            return
        self._metrics.posts_skipped.labels(topic, partition).inc(end - start)
        logger.warning(
            "%s/%d: offsets %d to %d were never read: %s (%d posts skipped, or fewer if some offsets held none)",
            topic, partition, start, end - 1, why, end - start,
        )  # fmt: skip
