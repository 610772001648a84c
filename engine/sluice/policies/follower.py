"""Keeps a process's policies those of the topic: read to the end before work starts, and followed from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sluice.client.following import following_on_thread, tell_wrong
from sluice.config import KafkaConfig
from sluice.policies.topic import open_reader
from sluice.verdict.policy_file import PolicyFile


@asynccontextmanager
async def following(kafka: KafkaConfig, policies: PolicyFile, timeout_s: float) -> AsyncIterator[None]:
    """Decide by what the topic says while this lasts; its state now is in force when it begins.

    Raises
    ------
    KafkaUnavailable
        The topic could not be read within `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    with await asyncio.to_thread(partial(open_reader, kafka, timeout_s, is_patient=True)) as reader:

        def take() -> None:
            """Compile on the follower's thread, and put in force on the loop's."""
            loop.call_soon_threadsafe(policies.use, policies.combine(reader.state.wanted()))

        tell_wrong(await asyncio.to_thread(reader.read_to_end))
        policies.lay_over(reader.state.wanted())
        async with following_on_thread(reader, take, timeout_s):
            yield
