"""The generator of the HTTP row: a request per post, on an event loop of its own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

import aiohttp

from sluice.bench.kafka_load import DRAIN_S, WARM_UP_S, WARM_UP_WINDOW, Message, encode_all
from sluice.bench.trace import N_ANSWERS, RAMP_SHARE, Closed, Open, Trace
from sluice.errors import StackError
from sluice.schema import Post

N_CONNECTIONS = 64
"""At most: more requests wait for one, and their latency counts."""


class HttpLoad:
    """Posts to one address.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def warm_up(self, posts: Sequence[Post]) -> None:
        """Send posts that nobody measures; raises `StackError` if they are not answered."""
        trace = self.run(Closed(WARM_UP_WINDOW, WARM_UP_S), posts)
        if trace.n_lost or trace.n_dead:
            raise StackError(f"{trace.n_lost + trace.n_dead} of {len(posts)} posts were not answered by {self._url}")

    def run(self, load: Closed | Open, posts: Iterable[Post]) -> Trace:
        """Send posts as the load says, and wait for the answers."""
        return asyncio.run(_Run(self._url).run(load, encode_all(posts)))

    def close(self) -> None:
        """Nothing is held between loads."""


class _Run:
    def __init__(self, url: str) -> None:
        self._url = url
        self._trace = Trace()
        self._cpu_at_begin = time.process_time()

    async def run(self, load: Closed | Open, messages: Iterable[Message]) -> Trace:
        trace = self._trace
        start = trace.begin = time.time()
        ramp = asyncio.get_running_loop().call_later(RAMP_SHARE * load.seconds, self._note_begin)
        timeout = aiohttp.ClientTimeout(total=DRAIN_S)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=N_CONNECTIONS), timeout=timeout
        ) as session:
            if isinstance(load, Closed):
                await self._run_closed(session, load, messages, start)
            else:
                await self._run_open(session, load, messages, start)
        ramp.cancel()
        return trace

    def _note_begin(self) -> None:
        if not self._trace.end:
            self._trace.begin, self._cpu_at_begin = time.time(), time.process_time()

    def _note_end(self) -> None:
        self._trace.end = time.time()
        self._trace.cpu_s = time.process_time() - self._cpu_at_begin

    async def _run_closed(
        self, session: aiohttp.ClientSession, load: Closed, messages: Iterable[Message], start: float
    ) -> None:
        left = iter(messages)

        async def keep_sending() -> None:
            for message in left:
                if time.time() >= start + load.seconds:
                    return
                await self._send(session, message, time.time())

        senders = [asyncio.create_task(keep_sending()) for _ in range(min(load.window, N_CONNECTIONS))]
        await asyncio.wait(senders, timeout=max(0.0, start + load.seconds - time.time()))
        self._note_end()
        await asyncio.gather(*senders)

    async def _run_open(
        self, session: aiohttp.ClientSession, load: Open, messages: Iterable[Message], start: float
    ) -> None:
        sent = set()
        for due_s, message in zip(load.due_s(), messages, strict=False):
            await asyncio.sleep(max(0.0, start + due_s - time.time()))
            sent.add(asyncio.create_task(self._send(session, message, start + due_s)))
        self._note_end()
        await asyncio.gather(*sent)

    async def _send(self, session: aiohttp.ClientSession, message: Message, due: float) -> None:
        post_id, value = message
        trace = self._trace
        trace.due[post_id] = due
        try:
            async with session.post(self._url, data=value, headers={"Content-Type": "application/json"}) as response:
                answer = await response.read()
                trace.n_dead += response.status != 200
        except (aiohttp.ClientError, TimeoutError):
            return
        trace.done[post_id] = time.time()
        if len(trace.answers) < N_ANSWERS and response.status == 200:
            trace.answers[post_id] = answer
