"""Hang Triton under load (SIGSTOP), let it go on, and say what became of the posts.

Starts the embedded stack, publishes short texts at a steady rate throughout, and prints one JSON object: how many
posts, how many verdicts say `late`, dead letters, lost posts, the rate of verdicts before the hang, and the seconds
from its end until a whole second has that rate again.

``python ops/bench/triton_hang.py [--hang 60] [--rate 150] [--around 20]``
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sluice.client import Outcome, Outcomes, Publisher
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post

START_S = 120.0


class Load:
    """Publishes at a steady rate until it is stopped."""

    def __init__(self, stack: Stack, rate: float) -> None:
        self._stack = stack
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.n_posts = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was published is delivered."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        start = time.monotonic()
        with Publisher(self._stack.kafka, store=None) as publisher:
            while not self._stop.wait(max(0.0, start + self.n_posts / self._rate - time.monotonic())):
                publisher.publish(Post(id=f"p-{self.n_posts}", text=f"see you at lunch on day {self.n_posts}"))
                self.n_posts += 1
            publisher.flush()


class Reader:
    """Notes when each outcome came."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self.seen: dict[bytes | None, Outcome] = {}
        self.seconds: Counter[int] = Counter()

    def read(self, seconds: float) -> None:
        """Read for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()

    def poll(self) -> None:
        """Read what is there."""
        for outcome in self._outcomes.poll(0.1):
            self.seen[outcome.key] = outcome
            self.seconds[int(time.monotonic())] += 1

    def read_all(self, n_posts: int, patience_s: float) -> None:
        """Read until so many posts have an outcome."""
        end = time.monotonic() + patience_s
        while len(self.seen) < n_posts and time.monotonic() < end:
            self.poll()


def measure(stack: Stack, triton: TritonServer, hang_s: float, rate: float, around_s: float) -> dict[str, Any]:
    """Load, hang, load: the figures."""
    load = Load(stack, rate)
    with Outcomes(stack.kafka, start="end") as outcomes:
        reader = Reader(outcomes)
        load.start()
        reader.read(around_s)
        os.kill(triton.pid or 0, signal.SIGSTOP)
        stopped = time.monotonic()
        reader.read(hang_s)
        os.kill(triton.pid or 0, signal.SIGCONT)
        resumed = time.monotonic()
        reader.read(around_s)
        load.stop()
        reader.read_all(load.n_posts, patience_s=120.0)
    before = sum(n for second, n in reader.seconds.items() if stopped - around_s / 2 <= second < int(stopped))
    rate_before = before / (int(stopped) - int(stopped - around_s / 2))
    full = [second for second, n in reader.seconds.items() if second > resumed and n >= 0.95 * rate_before]
    verdicts = [outcome.verdict() for outcome in reader.seen.values() if outcome.kind == "verdict"]
    late = sum(any("late" in status for status in verdict.modalities.values()) for verdict in verdicts)
    return {
        "posts": load.n_posts,
        "late": late,
        "late_percent": round(100 * late / max(1, load.n_posts), 2),
        "dead_letters": sum(outcome.kind == "dead_letter" for outcome in reader.seen.values()),
        "lost": load.n_posts - len(reader.seen),
        "rate_before": round(rate_before, 1),
        "seconds_until_full_rate": round(min(full) - resumed, 1) if full else None,
        "hang_s": hang_s,
    }


def main() -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hang", type=float, default=60.0, help="seconds that Triton stands still")
    parser.add_argument("--rate", type=float, default=150.0, help="posts per second")
    parser.add_argument("--around", type=float, default=20.0, help="seconds of load before and after")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, TritonServer(triton_repository(), Path(folder)) as triton:
        triton.wait_until_ready(START_S)
        with Stack(StackConfig(Path(folder), triton_repository(), triton=triton.address)) as stack:
            json.dump(measure(stack, triton, options.hang, options.rate, options.around), sys.stdout, indent=2)
            print()
            print((Path(folder) / "worker.log").read_text(), file=sys.stderr)


if __name__ == "__main__":
    main()
