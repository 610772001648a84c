"""How long posts of one topic take while the other one is flooded: p99 beside that of the same posts without the flood.

``python ops/bench/priorities.py [--seconds 15] [--rate 20] [--depth 2000] [--own-triton]`` starts a broker (Java and
Maven), Triton and ``sluice worker --high 1``; with ``--own-triton`` a second Triton too, for the posts that come first.
Both topics are flooded for a while first, so that nothing is young. Then each is watched in turn, at one rate: alone,
and while so many posts of the other topic wait for their verdicts all the time. Milliseconds from publishing a post to
its verdict's own timestamp, and where they go, as the verdicts say it themselves.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post

START_S = 120.0
SETTLE_S = 3.0
"""Of a flood, before anything is watched beside it."""
WARM_S = 8.0
COMMAND = (sys.executable, "-m", "sluice", "worker", "--high", "1")
TEXT = "See you at lunch on day {n}, the usual place, and bring the photographs of {n} holidays"
NUMBERS = itertools.count(100_000)
"""No text comes twice, and all are of one length."""
STAGES = ("wait", "extract", "encode", "fuse")


def make_post(name: str, n: int) -> Post:
    """The ``n``-th post of a name."""
    return Post(id=f"{name}:{n}", text=TEXT.format(n=next(NUMBERS)))


class Verdicts:
    """Verdicts as they come, read on a thread of its own.

    Attributes
    ----------
    n_made : Counter
        By the name of the posts.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self.n_made: Counter[str] = Counter()
        self._watched: dict[str, tuple[float, Mapping[str, float]]] = {}
        self._outcomes = Outcomes(kafka, kinds=("verdict",))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stopped.is_set():
            for outcome in self._outcomes.poll(0.1):
                post_id = (outcome.key or b"").decode()
                name = post_id.partition(":")[0]
                if not name.endswith("flood"):
                    self._watched[post_id] = outcome.timestamp_s or 0.0, outcome.verdict().latency_ms
                self.n_made[name] += 1

    def of(self, ids: Sequence[str]) -> list[tuple[float, Mapping[str, float]]]:
        """When each was made, and what it says of its stages; waits until all are there."""
        while not self._watched.keys() >= set(ids):
            time.sleep(0.1)
        return [self._watched[each] for each in ids]

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join()
        self._outcomes.close()


class Flood:
    """While it is entered, so many posts wait for their verdicts; leaving waits for the last one."""

    def __init__(self, name: str, kafka: KafkaConfig, verdicts: Verdicts, depth: int) -> None:
        self._name = f"{name}-flood"
        self._kafka = kafka
        self._verdicts = verdicts
        self._depth = depth
        self._n_sent = verdicts.n_made[self._name]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with Publisher(self._kafka) as publisher:
            while not self._stopped.wait(0.01):
                while self._n_sent - self.n_done < self._depth:
                    publisher.publish(make_post(self._name, self._n_sent))
                    self._n_sent += 1

    @property
    def n_done(self) -> int:
        """Posts of this name that have a verdict."""
        return self._verdicts.n_made[self._name]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        while kind is None and self.n_done < self._n_sent:
            time.sleep(0.1)


def publish_steadily(kafka: KafkaConfig, name: str, rate: float, seconds: float) -> dict[str, float]:
    """So many posts a second; returns when each was published."""
    sent: dict[str, float] = {}
    with Publisher(kafka) as publisher:
        publisher.connect()
        began = time.monotonic()
        for n in range(round(rate * seconds)):
            time.sleep(max(0.0, began + n / rate - time.monotonic()))
            post = make_post(name, n)
            sent[post.id] = time.time()
            publisher.publish(post)
    return sent


def at_shares(found: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    in_order = sorted(found)
    return in_order[len(in_order) // 2], in_order[min(len(in_order) - 1, round(0.99 * len(in_order)))]


def watch(name: str, kafka: KafkaConfig, verdicts: Verdicts, given: argparse.Namespace) -> float:
    """Publish at the rate and print what became of it; returns the 99th percentile in milliseconds."""
    sent = publish_steadily(kafka, name, given.rate, given.seconds)
    made = verdicts.of(list(sent))
    p50, p99 = at_shares([(at - sent_at) * 1000 for (at, _), sent_at in zip(made, sent.values(), strict=True)])
    by_stage = {stage: at_shares([stage_ms.get(stage, 0.0) for _, stage_ms in made]) for stage in STAGES}
    stages = ", ".join(f"{stage} {half:.0f}/{most:.0f}" for stage, (half, most) in by_stage.items())
    print(f"{name:<22} {len(sent):5} posts  p50 {p50:6.0f} ms  p99 {p99:6.0f} ms   ({stages})", flush=True)
    return p99


@contextmanager
def open_stack(folder: Path, *, own_triton: bool) -> Iterator[KafkaConfig]:
    """Everything that the measurement needs."""
    with ExitStack() as cleanup:
        broker = cleanup.enter_context(NativeKafka(folder / "kafka"))
        names = ["triton", "triton-high"] if own_triton else ["triton"]
        tritons = [cleanup.enter_context(TritonServer(triton_repository(), folder / name)) for name in names]
        broker.wait_until_ready(START_S)
        for triton in tritons:
            triton.wait_until_ready(START_S)
        ensure_topics(broker.kafka.for_high())
        config = StackConfig(
            folder / "worker", triton_repository(), kafka=broker.kafka, triton=tritons[0].address,
            worker_command=COMMAND, worker_environment={"SLUICE_TRITON_HIGH": tritons[-1].address},
            start_timeout_s=START_S,
        )  # fmt: skip
        cleanup.enter_context(Stack(config))
        yield broker.kafka


def measure(
    watched: tuple[str, KafkaConfig], flooded: tuple[str, KafkaConfig], verdicts: Verdicts, given: argparse.Namespace
) -> None:
    """One topic's posts alone, and then beside a flood of the other."""
    alone = watch(watched[0], watched[1], verdicts, given)
    with Flood(*flooded, verdicts, given.depth) as flood:
        time.sleep(SETTLE_S)
        began, n_before = time.monotonic(), flood.n_done
        beside = watch(f"{watched[0]} beside {flooded[0]}", watched[1], verdicts, given)
        rate = (flood.n_done - n_before) / (time.monotonic() - began)
    print(f"{'':22} p99 {beside / alone:.2f} times; the flood had {rate:.0f} verdicts a second", flush=True)


def main() -> None:
    """Measure both ways round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--depth", type=int, default=2000)
    parser.add_argument("--own-triton", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_stack(Path(folder), own_triton=given.own_triton) as kafka:
        both = ("high", kafka.for_high()), ("normal", kafka)
        verdicts = Verdicts(kafka)
        with Flood(*both[0], verdicts, 500), Flood(*both[1], verdicts, 500):
            time.sleep(WARM_S)
        measure(both[0], both[1], verdicts, given)
        measure(both[1], both[0], verdicts, given)
        verdicts.close()


if __name__ == "__main__":
    main()
