"""What batching alone does to latency: the queue in front of the text encoder, in simulated time.

Posts come at random times (Poisson) with rows of lengths like those of everyday texts. Two instances run requests that
take what ``python ops/bench/costs.py`` measures on a CPU. Time is simulated, so the figures are the same on any machine
and however busy it is; the worker, Kafka and the fusion are not in them. Prints the capacity, posts a second; then, for
shares of a rate, posts' milliseconds, rows a request, and cells for each that is not padding.

``python ops/bench/batching.py [--rate 500] [--posts 3000]``
"""

from __future__ import annotations

import argparse
import asyncio
import random
import selectors
from dataclasses import dataclass, field

import numpy as np

from sluice.contract import TEXT_ENCODER, ModelSpec, Size
from sluice.inference import Array, Arrays
from sluice.inference.batching import BatchQueue
from sluice.inference.costs import Costs

COSTS = Costs(request_us=2000.0, cell_us=65.0)
N_INSTANCES, N_REQUESTS = 2, 3
WAY_S = 0.001
"""Of a request's own time, so much is spent on the way to Triton and back, while an instance may run others."""
DEADLINE_S = 20.0


class SimulatedTime(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to whatever is to happen next."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Simulated seconds."""
        return self._now_s

    def jump(self, seconds: float) -> None:
        """Let so long pass."""
        self._now_s += seconds


class _Jump(selectors.SelectSelector):
    """Waits for nobody."""

    def __init__(self, loop: SimulatedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the loop's own way to wake itself up is all there is."""
        ready = super().select(0)
        if not ready and timeout:
            self._loop.jump(timeout + 1e-9)
        return ready


@dataclass
class Server:
    """Runs requests on instances, the first come first."""

    free_at: list[float] = field(default_factory=lambda: [0.0] * N_INSTANCES)
    n_rows: list[int] = field(default_factory=list)
    n_cells: int = 0
    n_own: int = 0

    async def send(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        """Answer when an instance has run it."""
        loop, ids = asyncio.get_running_loop(), batch["input_ids"]
        instance = self.free_at.index(min(self.free_at))
        begun = max(loop.time() + WAY_S / 2, self.free_at[instance])
        self.free_at[instance] = begun + COSTS.seconds(ids.size) - WAY_S
        self.n_rows.append(len(ids))
        self.n_cells += ids.size
        self.n_own += int(ids.sum())
        await asyncio.sleep(self.free_at[instance] + WAY_S / 2 - loop.time())
        return [np.zeros((len(ids), *tensor.sizes(Size.SMALLEST)), np.float32) for tensor in spec.outputs]

    async def probe(self, timeout_s: float) -> None:
        """It is always well."""


def draw_rows(rng: random.Random) -> list[Arrays]:
    """Rows of one text: two of three are one sentence, some are many; half of them are shorter than 20 tokens."""
    n_rows = 1 if rng.random() < 0.67 else min(64, round(rng.lognormvariate(1.2, 0.6)))
    lengths = [max(4, min(128, round(rng.lognormvariate(3.05, 0.68)))) for _ in range(n_rows)]
    return [{name: np.ones(length, np.int64) for name in ("input_ids", "attention_mask")} for length in lengths]


async def run(rate: float, n_posts: int) -> dict[str, float]:
    """Figures of so many posts at a rate; 0 for all at once."""
    loop, rng, server = asyncio.get_running_loop(), random.Random(1), Server()
    queue = BatchQueue(TEXT_ENCODER, server.send, server.probe)
    queue.suit(COSTS, N_REQUESTS)
    took_ms: list[float] = []

    async def score(rows: list[Arrays]) -> None:
        start = loop.time()
        await queue.run(rows, start + DEADLINE_S)
        took_ms.append(1e3 * (loop.time() - start))

    posts = []
    for _ in range(n_posts):
        posts.append(asyncio.create_task(score(draw_rows(rng))))
        if rate:
            await asyncio.sleep(rng.expovariate(rate))
    await asyncio.gather(*posts)
    p50, p99 = np.percentile(took_ms, (50, 99))
    padding = server.n_cells / server.n_own
    return {"per_s": n_posts / loop.time(), "p50": p50, "p99": p99, "rows": np.mean(server.n_rows), "cells": padding}


def simulate(rate: float, n_posts: int) -> dict[str, float]:
    """`run` in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        return runner.run(run(rate, n_posts))


def main() -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0, help="posts a second that the shares are of")
    parser.add_argument("--posts", type=int, default=3000)
    options = parser.parse_args()
    print(f"capacity {simulate(0.0, options.posts)['per_s']:.0f}/s")
    for share in (0.01, 0.5, 0.7, 0.9):
        found = simulate(share * options.rate, options.posts)
        print(f"{share:4.0%} " + "  ".join(f"{name} {value:.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
