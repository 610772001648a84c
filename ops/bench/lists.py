"""What a list of a million entries costs: to read, to compile, to keep, and at each post.

::

    python ops/bench/lists.py --entries 1000000

Words and phrases are made up of syllables, some of Chinese characters. The posts are 2,000 texts of `sluice bench`, one
in ten with an entry behind it. Times are CPU, so that what else runs does not count.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sluice.bench.texts import make_text
from sluice.lists.entries import Entry
from sluice.lists.finder import ListFinder

N_POSTS = 2_000
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
T = TypeVar("T")


def make_word(rng: random.Random) -> str:
    """A word that no language has, or two to four Chinese characters."""
    if rng.random() < 0.2:
        return "".join(chr(rng.randrange(0x4E00, 0x9FA0)) for _ in range(rng.randint(3, 5)))
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(4, 6)))


def make_entries(n_entries: int, rng: random.Random) -> list[Entry]:
    """Six words in ten, three phrases, one site; each once."""
    entries: dict[tuple[str, str], Entry] = {}
    while len(entries) < n_entries:
        word, kind = make_word(rng), rng.random()
        if kind < 0.6:
            entry = Entry("word", word)
        elif kind < 0.9:
            entry = Entry("phrase", f"{word} {make_word(rng)}")
        else:
            entry = Entry("domain", f"{word}.example")
        entries[entry.kind, entry.value] = entry
    return list(entries.values())


def make_posts(entries: list[Entry], rng: random.Random) -> list[str]:
    """Texts as long as those of `sluice bench`, one in ten with an entry at its end."""
    texts = [make_text(rng) for _ in range(N_POSTS)]
    return [f"{text} {rng.choice(entries).value}" if rng.random() < 0.1 else text for text in texts]


def timed(what: str, work: Callable[[], T]) -> T:
    """Do it, and print how long it took."""
    began = time.process_time()
    done = work()
    print(f"{what:<24} {time.process_time() - began:8.2f} s of CPU")
    return done


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What lists cost.")
    parser.add_argument("--entries", type=int, default=1_000_000)
    n_entries = parser.parse_args().entries
    rng = random.Random(1)
    entries = make_entries(n_entries, rng)
    posts = make_posts(entries, rng)
    before = resident_mb()
    finder = timed(f"compile {n_entries:,} entries", lambda: ListFinder({"made-up": entries}))
    print(f"{'most memory meanwhile':<24} {resident_mb() - before:8.0f} MB")
    now = datetime.now(UTC)
    n_found, took_ms = 0, []
    for text in posts:
        began = time.thread_time()
        n_found += len(finder.find(text, None, now))
        took_ms.append((time.thread_time() - began) * 1000)
    took_ms.sort()
    print(f"{'posts':<24} {len(posts):8,}, {n_found} matches")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("slowest", 1.0)):
        print(f"{name:<24} {took_ms[min(int(share * len(took_ms)), len(took_ms) - 1)]:8.3f} ms a post")


def resident_mb() -> float:
    """The most that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
