"""Where Faust's own loop costs more than what it does: four tasks for each message, and a send through three layers.

What we rely on inside Faust for that alone is here. It holds for the versions of `faust-streaming` and `mode-streaming`
that ``ops/constraints.txt`` pins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

import faust
from mode import Service
from mode.services import WaitResults

from sluice.stream.dead_letters import Headers


class Eager(Service):
    """A service that hands a message to the stream in the same step, where there is room for it."""

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109  (as mode has it)
        """See `mode.Service.wait_first`; what the first one does without waiting is done without a task.

        Faust calls this once a message, with the stream's callback and an event that ends the wait.
        """
        first, *others = coros
        if not asyncio.iscoroutine(first) or self._is_over():
            return await super().wait_first(*coros, timeout=timeout)
        try:
            waits_for = first.send(None)
        except StopIteration as end:
            _close(others)
            return WaitResults([], [], True) if self._is_over() else WaitResults([first], [end.value], False)
        except BaseException:
            _close(others)
            raise
        return await super().wait_first(_Begun(first, waits_for), *others, timeout=timeout)

    def _is_over(self) -> bool:
        """Whether it has stopped or crashed: then nothing counts as waited for."""
        return self._stopped.is_set() or self._crashed.is_set()


def _close(waits: list[Any]) -> None:
    """Drop coroutines that nobody will wait for."""
    for wait in filter(asyncio.iscoroutine, waits):
        wait.close()


class _Begun:
    """What is left of a coroutine that was run up to where it waits for the first time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
            except StopIteration as end:
                return end.value


async def send(app: faust.App, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    """Return once the broker has acknowledged bytes.

    Raises
    ------
    KafkaError, ProducerSendError
        It did not, or they cannot be sent.
    """
    producer = await app.maybe_start_producer()
    delivery = await producer.send(topic, key, value, None, None, list(headers))
    await delivery
