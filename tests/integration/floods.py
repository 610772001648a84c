"""Floods of heavy posts through a real worker: the peak of its memory, and how long texts of others take meanwhile.

``python ops/bench/floods.py`` runs them at their full size.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import psutil
from PIL import Image

from sluice.client import Outcomes, Publisher
from sluice.local.stack import Stack, StackConfig
from sluice.media.store import DirectoryStore
from sluice.resources import triton_repository
from sluice.schema import Media, Post
from tests.engine.decoding.files import encode, make_pages, make_scans
from tests.integration.slow_hosts import early_hints, gzip_of_zeros, hang, one_byte_chunks, serve

PATIENCE_S = 600.0
_SAMPLE_S = 0.02
_TEXT_EVERY_S = 0.05
_HANG_S = 15.0


@dataclass
class Report:
    """What came of a flood.

    Attributes
    ----------
    peak_mb : float
        Resident memory of the worker and its children together; pages that they share are counted for each.
    texts_ms : list of float
        From publishing a text to its verdict, one every 50 ms while the flood is scored.
    """

    name: str
    n_posts: int = 0
    n_outcomes: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    texts_ms: list[float] = field(default_factory=list)

    def text_ms(self, share: float) -> float:
        """What so large a share of the texts took at most."""
        texts = sorted(self.texts_ms) or [0.0]
        return texts[min(len(texts) - 1, int(share * len(texts)))]

    def as_dict(self) -> dict[str, str | int | float]:
        """As a table's row."""
        return {
            "flood": self.name,
            "posts": self.n_posts,
            "outcomes": self.n_outcomes,
            "seconds": round(self.seconds, 1),
            "peak_mb": round(self.peak_mb),
            "texts": len(self.texts_ms),
            "p50_ms": round(self.text_ms(0.5)),
            "p99_ms": round(self.text_ms(0.99)),
        }


class Peak(threading.Thread):
    """Watches the memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._over.wait(_SAMPLE_S):
            self.bytes = max(self.bytes, self._read())

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()

    def _read(self) -> int:
        total = 0
        for process in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total


class Neighbour(threading.Thread):
    """Publishes a text of somebody else every 50 ms, whether the one before has its verdict or not."""

    def __init__(self, publisher: Publisher, n_texts: int) -> None:
        super().__init__(daemon=True)
        self._publisher = publisher
        self._n_texts = n_texts
        self._over = threading.Event()
        self._sent: dict[bytes, float] = {}
        self.texts_ms: list[float] = []

    def run(self) -> None:
        """Publish until stopped."""
        while not self._over.is_set() or len(self._sent) < self._n_texts:
            time.sleep(_TEXT_EVERY_S)
            key = f"text-{len(self._sent)}"
            self._sent[key.encode()] = time.monotonic()
            self._publisher.publish(Post(id=key, text="good morning, everybody"))
            self._publisher.flush()

    def note(self, key: bytes) -> None:
        """Note the time that a text took, if `key` is one of them."""
        if key in self._sent:
            self.texts_ms.append((time.monotonic() - self._sent[key]) * 1000)

    @property
    def n_waiting(self) -> int:
        """Texts that have no verdict yet."""
        return len(self._sent) - len(self.texts_ms)

    def stop(self) -> None:
        """Publish no more than is wanted."""
        self._over.set()


class Bench:
    """A worker on the embedded stack, and what floods need."""

    def __init__(self, stack: Stack, store: DirectoryStore) -> None:
        self.stack = stack
        self.store = store

    def flood(
        self, name: str, posts: list[Post], meanwhile: Callable[[], None] = lambda: None, n_texts: int = 1
    ) -> Report:
        """Publish `posts` at once, call `meanwhile`, and wait for every outcome, and for `n_texts` of others."""
        report, peak, start = Report(name, len(posts)), Peak(self.stack.worker_pid), time.monotonic()
        peak.start()
        with Outcomes(self.stack.kafka, start="end") as outcomes, Publisher(self.stack.kafka, None) as publisher:
            for post in posts:
                publisher.publish(post)
            publisher.flush()
            meanwhile()
            neighbour = Neighbour(publisher, n_texts)
            neighbour.start()
            report.n_outcomes = self._read(outcomes, {post.id.encode() for post in posts}, neighbour)
        peak.stop()
        report.texts_ms = neighbour.texts_ms
        report.seconds, report.peak_mb = time.monotonic() - start, peak.bytes / 2**20
        return report

    def _read(self, outcomes: Outcomes, keys: set[bytes], neighbour: Neighbour) -> int:
        """Wait for the outcomes of `keys`, then for those of the neighbour's texts; returns how many of `keys` came."""
        n_posts, until = len(keys), time.monotonic() + PATIENCE_S
        while (keys or neighbour.is_alive() or neighbour.n_waiting) and time.monotonic() < until:
            self.stack.check()
            for outcome in outcomes.poll(0.05):
                keys.discard(outcome.key or b"")
                neighbour.note(outcome.key or b"")
            if not keys:
                neighbour.stop()
        return n_posts - len(keys)


@contextmanager
def open_bench(
    folder: Path, triton: str | None = None, broker: Literal["embedded", "kafka"] = "embedded"
) -> Iterator[Bench]:
    """A worker with the default settings; the embedded broker keeps a few megabytes only.

    Only repeats are not kept: a flood is of copies of one file, and the second one would cost nothing.
    """
    environment = {"SLUICE_MEDIA_ALLOW_PRIVATE": "1", "SLUICE_CACHE_MB": "0"}  # the slow hosts are on loopback
    config = StackConfig(folder, triton_repository(), broker, triton=triton, worker_environment=environment)
    with Stack(config) as stack:
        bench = Bench(stack, DirectoryStore(config.media_store))
        bench.flood("idle", [Post(id="first", text="hello", images=(bench_image(bench),))])
        yield bench


def bench_image(bench: Bench) -> Media:
    """A small picture."""
    return Media(bench.store.put(encode(Image.linear_gradient("L")), ".png"))


def idle(bench: Bench, scale: float) -> Report:
    """Nothing but texts."""
    return bench.flood("idle", [], n_texts=max(1, round(200 * scale)))


def large_pictures(bench: Bench, scale: float) -> Report:
    """256 posts with 8 pictures of 64 megapixels each."""
    uri = bench.store.put(encode(Image.new("RGB", (8_000, 8_000), "red"), compress_level=1), ".png")
    pictures = (Media(uri),) * 8
    n_posts = max(1, round(256 * scale))
    return bench.flood("64 megapixels", [Post(id=f"large-{n}", text="look", images=pictures) for n in range(n_posts)])


def _resume(processes: list[psutil.Process]) -> None:
    time.sleep(_HANG_S)
    for process in processes:
        process.send_signal(signal.SIGCONT)


def large_messages(bench: Bench, scale: float) -> Report:
    """1,200 messages of 1 MB while Triton hangs; texts of others from when it goes on."""
    triton = [each for each in psutil.process_iter(["cmdline"]) if _is_triton_of(each, bench.stack.triton)]
    posts = [Post(id=f"message-{n}", text="word " * 200_000) for n in range(max(1, round(1_200 * scale)))]
    for process in triton:
        process.send_signal(signal.SIGSTOP)
    return bench.flood("1 MB messages, Triton hangs", posts, partial(_resume, triton))


def _is_triton_of(process: psutil.Process, address: str) -> bool:
    port = address.rpartition(":")[2]
    return any(port in argument for argument in process.info["cmdline"] or []) and "triton" in process.name()


def late_media(bench: Bench, scale: float) -> Report:
    """600 pictures of 2 MB whose posts do not wait for them."""
    noise = Image.frombytes("RGB", (830, 830), os.urandom(830 * 830 * 3))
    picture = Media(bench.store.put(encode(noise, compress_level=0), ".png"))
    n_posts = max(1, round(600 * scale))
    return bench.flood("late media", [Post(id=f"late-{n}", images=(picture,), deadline_ms=100) for n in range(n_posts)])


def endless_files(bench: Bench, scale: float) -> Report:
    """A JPEG of 300 scans and a TIFF of 60,000 pages, twelve of each."""
    files = (bench.store.put(make_scans(), ".jpg"), bench.store.put(make_pages(), ".tif"))
    posts = [
        Post(id=f"endless-{n}-{i}", text="look", images=(Media(uri),))
        for n in range(max(1, round(12 * scale)))
        for i, uri in enumerate(files)
    ]
    return bench.flood("endless files", posts)


def slow_hosts(bench: Bench, scale: float) -> Report:
    """Twelve posts for each kind of slow server, with eight of its URLs each."""
    n_each = max(1, round(12 * scale))
    with ExitStack() as stack:
        urls = [stack.enter_context(serve(each)) for each in (one_byte_chunks, early_hints, gzip_of_zeros, hang)]
        posts = [
            Post(id=f"slow-{i}-{n}", text="look", images=tuple(Media(f"{url}{n}/{part}") for part in range(8)))
            for i, url in enumerate(urls)
            for n in range(n_each)
        ]
        return bench.flood("slow hosts", posts)


FLOODS = (idle, slow_hosts, large_pictures, large_messages, late_media, endless_files)
