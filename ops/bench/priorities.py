"""How long posts of one topic take while the other one is flooded: p99 beside that of the same posts on an idle worker.

``python ops/bench/priorities.py [--seconds 15] [--rate 20] [--flood 8000]`` starts a broker (Java and Maven), Triton
and ``sluice worker --high 1``. Milliseconds from publishing a post to its verdict's own timestamp.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post

START_S = 120.0
COMMAND = (sys.executable, "-m", "sluice", "worker", "--high", "1")
TEXT = "See you at lunch on day {n}, the usual place, and bring the photographs of {n} holidays"


class Verdicts:
    """When each post's verdict was made, by its id; read on a thread of its own."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self.made_at: dict[str, float] = {}
        self._outcomes = Outcomes(kafka, kinds=("verdict",))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stopped.is_set():
            for outcome in self._outcomes.poll(0.1):
                self.made_at.setdefault((outcome.key or b"").decode(), outcome.timestamp_s or 0.0)

    def wait_for(self, ids: list[str]) -> None:
        """Until all are there."""
        while not self.made_at.keys() >= set(ids):
            time.sleep(0.1)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join()
        self._outcomes.close()


def publish_flood(kafka: KafkaConfig, name: str, n_posts: int) -> list[str]:
    """As many posts as there are, as fast as the broker takes them; returns their ids."""
    posts = [Post(id=f"{name}-{n}", text=TEXT.format(n=f"{name} {n}")) for n in range(n_posts)]
    with Publisher(kafka) as publisher:
        for post in posts:
            publisher.publish(post)
    return [post.id for post in posts]


def publish_steadily(kafka: KafkaConfig, name: str, rate: float, seconds: float) -> dict[str, float]:
    """So many posts a second; returns when each was published."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    with Publisher(kafka) as publisher:
        publisher.connect()
        for n in range(round(rate * seconds)):
            time.sleep(max(0.0, began + n / rate - time.monotonic()))
            sent[f"{name}-{n}"] = time.time()
            publisher.publish(Post(id=f"{name}-{n}", text=TEXT.format(n=f"{name} {n}")))
    return sent


def latencies_ms(sent: dict[str, float], verdicts: Verdicts) -> list[float]:
    """Sorted."""
    verdicts.wait_for(list(sent))
    return sorted((verdicts.made_at[post_id] - at) * 1000 for post_id, at in sent.items())


def show(what: str, found: list[float]) -> float:
    """Print p50 and p99; returns p99."""
    p50, p99 = found[len(found) // 2], found[min(len(found) - 1, round(0.99 * len(found)))]
    print(f"{what:<44} {len(found):5} posts  p50 {p50:7.0f} ms  p99 {p99:7.0f} ms", flush=True)
    return p99


@contextmanager
def open_stack(folder: Path) -> Iterator[KafkaConfig]:
    """Everything that the measurement needs."""
    with ExitStack() as cleanup:
        broker = cleanup.enter_context(NativeKafka(folder / "kafka"))
        broker.wait_until_ready(START_S)
        triton = cleanup.enter_context(TritonServer(triton_repository(), folder / "triton"))
        triton.wait_until_ready(START_S)
        ensure_topics(broker.kafka.for_high())
        config = StackConfig(
            folder / "worker", triton_repository(), kafka=broker.kafka, triton=triton.address, worker_command=COMMAND,
            start_timeout_s=START_S,
        )  # fmt: skip
        cleanup.enter_context(Stack(config))
        yield broker.kafka


def measure(watched: tuple[str, KafkaConfig], flooded: tuple[str, KafkaConfig], given: argparse.Namespace) -> None:
    """One topic's posts alone, and then beside a flood of the other."""
    (name, kafka), (other, flooded_kafka) = watched, flooded
    verdicts = Verdicts(kafka)
    publish_steadily(kafka, f"{name}-warm", given.rate, 3.0)
    idle = show(
        f"{name}, nothing beside", latencies_ms(publish_steadily(kafka, name, given.rate, given.seconds), verdicts)
    )
    flood = publish_flood(flooded_kafka, f"{other}-flood", given.flood)
    sent = publish_steadily(kafka, f"{name}-beside", given.rate, given.seconds)
    n_left = len(set(flood) - verdicts.made_at.keys())
    beside = show(f"{name}, beside a flood of {other}", latencies_ms(sent, verdicts))
    print(f"{'':<44} {beside / idle:.2f} times; {n_left} of the flood's {len(flood)} posts were left", flush=True)
    verdicts.wait_for(flood)
    verdicts.close()


def main() -> None:
    """Measure both ways round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--flood", type=int, default=8000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_stack(Path(folder)) as kafka:
        both = ("high", kafka.for_high()), ("normal", kafka)
        measure(both[0], both[1], given)
        measure(both[1], both[0], given)


if __name__ == "__main__":
    main()
