"""What a list of a million entries costs: to read, to compile, to keep, and at each post.

::

    python ops/bench/lists.py --entries 1000000

Words and phrases are made up of syllables, some of Chinese characters. The posts are 2,000 texts of `sluice bench`, one
in ten with an entry behind it. Times are CPU, so that what else runs does not count. ``--check 100`` compares what is
found in so many texts, disguised ones among them, with what a plain search for every entry finds. While the entries are
compiled on a thread, an event loop counts how late it wakes. ``--hostile`` searches texts of 64 Ki characters that are
made to take long: links, matches, disguises, and letters of everywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sluice.bench.texts import make_text
from sluice.features.seen import Seen
from sluice.lists.entries import Entry
from sluice.lists.finder import ListFinder
from sluice.lists.reading import read_letters
from sluice.lists.terms import spell

N_POSTS = 2_000
N_LONG = 65_536
LISTED_LETTER, LISTED_WORD = "坏", "clanker"
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


def disguise(text: str, rng: random.Random) -> str:
    """Capitals, digits for letters, and parts of other words before and behind."""
    letters = [rng.choice((each, each, each.upper(), {"e": "3", "o": "0"}.get(each, each))) for each in text]
    return "".join(letters) + rng.choice(("", "s", " x", "-y", "."))


def find_plainly(spelled: list[str], text: str) -> set[int]:
    """Which entries stand in a text as whole words, each looked for by itself."""
    read = read_letters(Seen(text))[0]
    return {index for index, term in enumerate(spelled) if term in read and stands_apart(term, read)}


def stands_apart(term: str, read: str) -> bool:
    """Whether it stands somewhere in a text with nothing of a word before or behind it."""
    places = (place for place in range(len(read)) if read.startswith(term, place))
    return any(is_cut(read, place) and is_cut(read, place + len(term)) for place in places)


def is_cut(text: str, place: int) -> bool:
    """Whether no word goes on over a place: letters on both sides, and neither of a script without spaces."""
    if place in (0, len(text)):
        return True
    return not all(each.isalnum() and not 0x4E00 <= ord(each) <= 0x9FFF for each in text[place - 1 : place + 1])


def make_hostile(rng: random.Random) -> dict[str, str]:
    """Texts as long as one may be, each of one thing over and over."""

    def letters(first: int, last: int, n_letters: int = 1) -> str:
        return "".join(chr(rng.randrange(first, last)) for _ in range(n_letters))

    pieces: dict[str, Callable[[], str]] = {
        "words": lambda: letters(97, 123, 5) + " ",
        "links": lambda: letters(97, 123, 2) + ".bc ",
        "links in Latin letters": lambda: letters(0xE0, 0xF7, 2) + ".de ",
        "links in Chinese": lambda: letters(0x4E00, 0x9FA0) + ".cn ",
        "links with paths": lambda: "a.bc/x/../",
        "links below links": lambda: "a." * 120 + "com ",
        "one listed letter": lambda: LISTED_LETTER,
        "one listed word": lambda: f"{LISTED_WORD} ",
        "Chinese": lambda: letters(0x4E00, 0x9FA0),
        "pictographs": lambda: letters(0x1F300, 0x1F600),
        "letters of everywhere": lambda: letters(0xA0, 0x3000),
        "letters apart": lambda: " ".join(letters(97, 123, 7)) + ", ",
        "markup": lambda: f"<b>{letters(97, 123, 2)}</b>",
    }
    return {name: "".join(piece() for _ in range(N_LONG))[:N_LONG] for name, piece in pieces.items()}


def search_hostile(finder: ListFinder, rng: random.Random) -> None:
    """Print how long each takes."""
    for name, text in make_hostile(rng).items():
        began = time.thread_time()
        finder.find(text, None, datetime.now(UTC))
        print(f"{name:<24} {(time.thread_time() - began) * 1000:8.0f} ms for {N_LONG:,} characters")


def check(finder: ListFinder, entries: list[Entry], posts: list[str], rng: random.Random) -> None:
    """Compare with a plain search, and say in how many texts both find the same."""
    terms = [entry for entry in entries if entry.kind != "domain"]
    spelled, n_same, n_found = [spell(entry.value) for entry in terms], 0, 0
    for text in posts:
        seen = disguise(text, rng)
        matches = finder.find(seen, None, datetime.now(UTC))
        found = {match.entry for match in matches if match.entry.kind != "domain"}
        n_found += len(found)
        n_same += found == {terms[index] for index in find_plainly(spelled, seen)}
    print(f"{'same as a plain search':<24} {n_same:8,} of {len(posts)} texts, {n_found} entries in them")


async def compile_beside_a_loop(entries: list[Entry]) -> ListFinder:
    """As a worker does; prints by how much a loop that wakes each millisecond was late."""
    late_ms: list[float] = []
    compiling = asyncio.create_task(asyncio.to_thread(ListFinder, {"made-up": entries}))
    while not compiling.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late_ms.append((time.perf_counter() - began) * 1000 - 1)
    late_ms.sort()
    p99 = late_ms[int(0.99 * len(late_ms))]
    print(f"{'the loop meanwhile':<24} {p99:8.1f} ms late at p99, {late_ms[-1]:.0f} ms at most")
    return compiling.result()


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
    parser.add_argument("--check", type=int, default=0)
    parser.add_argument("--hostile", action="store_true")
    options = parser.parse_args()
    n_entries = options.entries
    rng = random.Random(1)
    entries = [*make_entries(n_entries, rng), Entry("word", LISTED_LETTER), Entry("word", LISTED_WORD)]
    posts = make_posts(entries, rng)
    before = resident_mb()
    finder = timed(f"compile {n_entries:,} entries", lambda: asyncio.run(compile_beside_a_loop(entries)))
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
    if options.hostile:
        search_hostile(finder, rng)
    if options.check:
        ending = [f"{make_text(rng)} {rng.choice(entries).value}" for _ in range(options.check)]
        check(finder, entries, ending, rng)


def resident_mb() -> float:
    """The most that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
