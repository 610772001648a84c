"""How ``sluice serve`` compares with ``sluice score`` and with the way through Kafka, on one Triton in one run.

Usage: python ops/bench/http_load.py [--posts 3000] [--rounds 3] [--seconds 10]

1. One short text at a time, through Kafka and over HTTP in turn: the medians.
2. 64 clients, each sending its next post when it has an answer, next to ``sluice score``: posts a second.
3. Twice that many posts a second, whether they are answered or not: how many are answered how, how soon, and the peak
   memory of the server.

Prints one line of JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from ops.bench.http_connections import Connection, Pool
from ops.bench.score_rate import make_texts, time_score, write_posts
from sluice.cli.options import BrokerChoice
from sluice.cli.stacks import StackOptions, open_stack
from sluice.client import Outcomes, Publisher, WindowedPublisher
from sluice.local.stack import Stack
from sluice.media.store import open_store
from sluice.schema import Post, encode

N_CLIENTS = 64
N_IDLE = 100


def main() -> None:
    """Measure and print."""
    options = read_options()
    os.environ["SLUICE_CACHE_MB"] = "0"  # of every process below: the rounds send the same posts again
    os.environ["SLUICE_FIRST_STAGE"] = "0"  # `sluice score` has all models read every text, and so must the others
    texts = make_texts(options.posts)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stack(StackOptions(BrokerChoice.embedded, None, None)) as stack,
        serving(stack.triton) as server,
    ):
        posts = write_posts(Path(folder) / "posts.jsonl", texts)
        result: dict[str, Any] = compare_idle(stack, server.address)
        result |= compare_rates(stack.triton, server.address, posts, texts, options.rounds)
        result |= asyncio.run(overload(server, texts, 2 * result["http_per_s"], options.seconds))
    sys.stdout.write(json.dumps(result) + "\n")


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of the overload")
    return parser.parse_args()


class Server:
    """A ``sluice serve`` that runs.

    Parameters
    ----------
    address : str
        ``host:port``.
    """

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self._process = psutil.Process(pid)

    @property
    def memory_mb(self) -> float:
        """Resident, of the server and its decoders."""
        processes = [self._process, *self._process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20


@contextmanager
def serving(triton: str) -> Iterator[Server]:
    """A server on a free port, stopped at the end."""
    command = [sys.executable, "-m", "sluice.cli", "serve", "--port", "0", "--triton", triton]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Server(read_address(process), process.pid)
        finally:
            process.terminate()


def read_address(process: subprocess.Popen[str]) -> str:
    """``host:port``, once the server says it."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://(\S+:\d+)", line):
            return found[1]
    raise SystemExit("the server did not start")


def compare_idle(stack: Stack, address: str) -> dict[str, float]:
    """Median milliseconds of one text at a time on each way; in turn, so that both see the same machine."""
    kafka_ms, http_ms = [], []
    store = open_store(str(stack.config.media_store))
    with Outcomes(stack.kafka) as outcomes, Publisher(stack.kafka, store) as publisher, asyncio.Runner() as runner:
        publisher.connect()
        exchange, pool = WindowedPublisher(publisher, outcomes), Pool(address)
        for number in range(N_IDLE):
            post = encode(Post(id=f"idle-{number}", text=f"Good morning number {number}, how are you today?"))
            kafka_ms.append(time_ms(partial(exchange_one, exchange, post)))
            http_ms.append(time_ms(partial(send_one, runner, pool, post)))
        runner.run(pool.close())
    kafka, http = statistics.median(kafka_ms), statistics.median(http_ms)
    return {"kafka_idle_ms": round(kafka, 1), "http_idle_ms": round(http, 1), "idle_ratio": round(http / kafka, 2)}


def exchange_one(exchange: WindowedPublisher, post: bytes) -> None:
    """Publish a post and wait for its verdict."""
    for _ in exchange.exchange([post]):
        pass


def send_one(runner: asyncio.Runner, pool: Pool, post: bytes) -> None:
    """Post one over HTTP and wait for the answer."""
    if (status := runner.run(pool.send(post))) != 200:
        raise SystemExit(f"a post was answered {status}")


def time_ms(run: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start_s = time.perf_counter()
    run()
    return (time.perf_counter() - start_s) * 1000


def compare_rates(triton: str, address: str, posts: Path, texts: list[str], n_rounds: int) -> dict[str, float]:
    """Posts a second of both, medians of rounds in turn."""
    bodies = posts.read_bytes().splitlines()
    asyncio.run(time_clients(address, bodies))  # the first run warms the server up
    rates: dict[str, list[float]] = {"score": [], "http": []}
    for _ in range(n_rounds):
        rates["score"].append(time_score(triton, posts))
        rates["http"].append(len(texts) / asyncio.run(time_clients(address, bodies)))
    for name, values in rates.items():
        sys.stderr.write(f"{name:6} " + " ".join(f"{value:.0f}" for value in values) + " posts/s\n")
    score, http = (statistics.median(rates[name]) for name in ("score", "http"))
    return {"score_per_s": round(score), "http_per_s": round(http), "rate_ratio": round(http / score, 2)}


async def time_clients(address: str, bodies: list[bytes]) -> float:
    """Seconds until `N_CLIENTS` have sent all bodies; raises if one was not answered with a verdict."""
    left = iter(bodies)

    async def run_client() -> None:
        connection = Connection(address)
        for body in left:
            if (status := await connection.send(body)) != 200:
                raise SystemExit(f"a post was answered {status}")
        await connection.close()

    start_s = time.perf_counter()
    await asyncio.gather(*(run_client() for _ in range(N_CLIENTS)))
    return time.perf_counter() - start_s


async def overload(server: Server, texts: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """Send so many posts a second, however they are answered, and say what became of them."""
    bodies = [encode(Post(id=f"over-{number}", text=text)) for number, text in enumerate(texts)]
    pool, answers, before_mb = Pool(server.address), Answers(), server.memory_mb
    peak_mb, start_s = before_mb, time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, start_s + number / rate - time.perf_counter()))
            group.create_task(answers.note(pool.send(bodies[number % len(bodies)])))
            if number % int(rate) == 0:
                peak_mb = max(peak_mb, server.memory_mb)
    peak_mb, elapsed_s = max(peak_mb, server.memory_mb), time.perf_counter() - start_s
    await pool.close()
    return {
        "offered_per_s": round(rate),
        "elapsed_s": round(elapsed_s, 1),
        **answers.as_dict(),
        "memory_mb": round(before_mb),
        "peak_mb": round(peak_mb),
    }


class Answers:
    """Statuses, and how long each took."""

    def __init__(self) -> None:
        self._elapsed_ms: dict[int, list[float]] = {}

    async def note(self, sending: Coroutine[Any, Any, int]) -> None:
        """Wait for an answer."""
        start_s = time.perf_counter()
        status = await sending
        self._elapsed_ms.setdefault(status, []).append((time.perf_counter() - start_s) * 1000)

    def as_dict(self) -> dict[str, Any]:
        """How many were answered how; the 99th percentile and the longest, in milliseconds."""
        every = sorted(value for values in self._elapsed_ms.values() for value in values)
        return {
            "answers": {str(status): len(values) for status, values in sorted(self._elapsed_ms.items())},
            "p99_ms": round(every[int(0.99 * len(every))]),
            "longest_ms": round(every[-1]),
        }


if __name__ == "__main__":
    main()
