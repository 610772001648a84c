"""Faust's buffer of messages, bounded in bytes: it counts messages, and sixteen thousand of them may be 64 GB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faust
from faust.types import EventT
from mode.utils.queues import ThrowableQueue


class ByteQueue(ThrowableQueue[EventT[Any]]):
    """Takes messages until they hold too many bytes together; the partitions are not read on until there is room.

    Parameters
    ----------
    max_bytes : int
        One message more fits in, however large.
    """

    def __init__(self, *args: Any, max_bytes: int, **options: Any) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        super().__init__(*args, **options)

    def full(self) -> bool:
        """Whether the next message has to wait."""
        return self._n_bytes >= self._max_bytes or super().full()

    def clear(self) -> None:
        """Drop everything."""
        super().clear()
        self._n_bytes = 0

    def in_pressure_high_state(self, callback: Callable[[], None]) -> bool:
        """Whether to stop reading a partition; `callback` lets it be read on."""
        if self._n_bytes < self._max_bytes / self.pressure_high_ratio:
            return bool(super().in_pressure_high_state(callback))
        is_new = callback not in self._pending_pressure_drop_callbacks
        self._pending_pressure_drop_callbacks.add(callback)
        return is_new

    def maybe_endorse_pressure_drop(self) -> None:
        """Let partitions be read on, once there is room again."""
        if self._n_bytes <= self._max_bytes * self.pressure_drop_ratio:
            super().maybe_endorse_pressure_drop()

    def _put(self, item: EventT[Any]) -> None:
        super()._put(item)
        self._n_bytes += size_of(item)

    def _get(self) -> EventT[Any]:
        item: EventT[Any] = super()._get()
        self._n_bytes -= size_of(item)
        return item


class ByteBoundApp(faust.App):
    """A Faust app whose buffers are bounded in bytes."""

    max_buffer_bytes = 64 * 2**20

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> ByteQueue:  # noqa: N802
        """See `faust.App.FlowControlQueue`."""
        return ByteQueue(
            maxsize=maxsize or self.conf.stream_buffer_maxsize,
            flow_control=self.flow_control,
            clear_on_resume=clear_on_resume,
            max_bytes=self.max_buffer_bytes,
        )


def size_of(event: EventT[Any]) -> int:
    """Bytes that a message holds: its key and its value."""
    message = getattr(event, "message", None)
    return len(getattr(message, "value", None) or b"") + len(getattr(message, "key", None) or b"")
