"""What remembering authors costs: ``python ops/bench/history.py [--events 200000] [--authors 20000]``.

Verdicts read and folded a second, as a worker does that starts, in memory and in a folder; and, in microseconds of
processor time, what a post takes to look up its author.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from sluice.history.config import HistoryConfig
from sluice.history.events import read_verdict
from sluice.history.reading import BATCH
from sluice.history.remembered import RememberedAuthors
from sluice.schema import DECISIONS, LABELS, AuthorHistory, Basis, PolicyRef, Post, Verdict, encode

TEXT = "See you at lunch tomorrow, the usual place, and bring the photographs of our summer holidays with you"
NOW_S = 1_800_000_000.0
N_LOOKUPS = 5_000


def make_verdict(n: int, n_authors: int, rng: random.Random) -> bytes:
    """A verdict as it lies on the topic: its author is drawn, few of them write much."""
    author = f"u-{int(n_authors * rng.random() ** 3)}"
    history = AuthorHistory(counted_at=NOW_S - rng.random() * 86_400, text_hash=f"{rng.getrandbits(64):016x}")
    verdict = Verdict(
        post_id=f"p-{n}", decision=rng.choices(DECISIONS, (90, 7, 3))[0], scores=dict.fromkeys(LABELS, 0.01),
        severity=dict.fromkeys(LABELS, 0.0), reasons=(), modalities={"text": "ok"}, policy=PolicyRef("default", 1),
        models={"fusion": "1", "text_encoder": "1"}, latency_ms={}, scored_at="2027-01-15T08:00:00.000Z",
        author_id=author, tenant="forum", basis=Basis(author=history),
    )  # fmt: skip
    return encode(verdict)


def fold(authors: RememberedAuthors, verdicts: list[bytes]) -> float:
    """Verdicts a second."""
    began = time.perf_counter()
    for at in range(0, len(verdicts), BATCH):
        events = [event for raw in verdicts[at : at + BATCH] if (event := read_verdict(raw))]
        authors.fold(events, {("verdicts", 0): at + BATCH})
    return len(verdicts) / (time.perf_counter() - began)


def look_up(authors: RememberedAuthors, author: str) -> float:
    """Microseconds of processor time for one post."""
    began = time.process_time()
    for n in range(N_LOOKUPS):
        authors.recall(Post(id=f"q-{n}", text=TEXT, author_id=author, tenant="forum"), NOW_S)
    return (time.process_time() - began) / N_LOOKUPS * 1e6


def main() -> None:
    """Measure both places."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--authors", type=int, default=20_000)
    given = parser.parse_args()
    rng = random.Random(1)
    verdicts = [make_verdict(n, given.authors, rng) for n in range(given.events)]
    print(f"{given.events} verdicts of {sum(map(len, verdicts)) / len(verdicts):.0f} bytes, {given.authors} authors")
    with tempfile.TemporaryDirectory() as folder:
        for name, place in (("in memory", None), ("in a folder", Path(folder))):
            authors = RememberedAuthors(HistoryConfig(b"secret", place))
            rate = fold(authors, verdicts)
            busy, quiet = look_up(authors, "u-0"), look_up(authors, f"u-{given.authors - 1}")
            print(f"{name:<12} {rate:8.0f} verdicts/s; a look-up {quiet:.0f} us, of the busiest author {busy:.0f} us")
            authors.close()


if __name__ == "__main__":
    main()
