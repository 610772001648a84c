"""Keeps a process's policies those of the topic: read to the end before work starts, and followed from then on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sluice.config import KafkaConfig
from sluice.policies.topic import PolicyReader, open_reader
from sluice.verdict.policy_file import PolicyFile

logger = logging.getLogger(__name__)


@asynccontextmanager
async def following(kafka: KafkaConfig, policies: PolicyFile, timeout_s: float) -> AsyncIterator[None]:
    """Decide by what the topic says while this lasts; its state now is in force when it begins.

    Raises
    ------
    KafkaUnavailable
        The topic could not be read within `timeout_s`.
    """
    reader = await asyncio.to_thread(partial(open_reader, kafka, timeout_s, is_patient=True))
    try:
        _warn(await asyncio.to_thread(reader.read_to_end))
        policies.lay_over(reader.state.wanted())
        follower = _Follower(reader, policies, asyncio.get_running_loop())
        follower.start()
        try:
            yield
        finally:
            follower.stop()
            await asyncio.to_thread(follower.join, timeout_s)
    finally:
        reader.close()


def _warn(wrong: list[str]) -> None:
    for line in wrong:
        logger.warning("not taken: %s", line)


class _Follower(threading.Thread):
    """Waits for records; what they come to is made on this thread, and put in force on the loop's."""

    def __init__(self, reader: PolicyReader, policies: PolicyFile, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="policies", daemon=True)
        self._reader = reader
        self._policies = policies
        self._loop = loop
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            has_changed, wrong = self._reader.poll()
            _warn(wrong)
            if has_changed and not self._stopped.is_set():
                made = self._policies.combine(self._reader.state.wanted())
                self._loop.call_soon_threadsafe(self._policies.use, made)

    def stop(self) -> None:
        """End after the next look."""
        self._stopped.set()
