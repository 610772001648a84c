"""A fourth modality is one class: this file adds one, and a verdict speaks of it as of any other.

The toy fetches a banner, decodes it from bytes of its own format and points at it with evidence of its own. The schema
of a post needs no new field for it, since the toy takes `surface` for the banner's URI.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from sluice.contract import MODALITIES, Axis, TensorSpec, encoder_spec
from sluice.errors import MediaInvalid
from sluice.features import Features
from sluice.inference import Arrays
from sluice.modalities.base import Part
from sluice.modalities.extraction import on_threads
from sluice.modalities.marks import find_runs
from sluice.modalities.media import MediaModality, MediaSource
from sluice.schema import Media, Post, TextEvidence, Verdict, decode_verdict, encode
from tests.engine.pipelines import Bench, finds

LENGTH = Axis("length", (1, 8, 64))


class BannerEvidence(TextEvidence, frozen=True, tag="banner"):
    """The lights `start` to `end` of a banner, half open; a verdict can be written with it as the schema stands."""


@dataclass(frozen=True, slots=True)
class BannerRow:
    """How bright each light of a banner is."""

    lights: npt.NDArray[np.int64]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.int64], ...]:
        return (self.lights,)


def decode_banner(content: bytes) -> Features[BannerRow]:
    """A banner is a mark and a byte for each light; further lights than a row takes are left out."""
    if not content.startswith(b"BAN"):
        raise MediaInvalid("not_banner", "not a banner")
    lights, most = np.frombuffer(content, np.uint8, offset=3), LENGTH.sizes[-1]
    partial = f"{most} of {len(lights)} lights read" if len(lights) > most else None
    return Features((BannerRow(lights[:most].astype(np.int64)),), partial)


class BannerModality(MediaModality[BannerRow]):
    """Lights over a post."""

    name, plural = "banner", "banners"
    model = encoder_spec(
        "banner_encoder", (TensorSpec("lights", "INT64", (LENGTH,)),), TensorSpec("light_scores", "FP32", (LENGTH,))
    )
    kind = len(MODALITIES)
    n_read = 1

    def media_of(self, post: Post) -> Sequence[Media]:
        return [Media(post.surface)] if post.surface else []

    def evidence(
        self, part: Part, rows: Sequence[BannerRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[BannerEvidence, ...]:
        places = np.arange(len(rows[0].lights))
        runs = find_runs(places, places + 1, outputs[0][self.model.evidence.name], gap=0)
        return tuple(BannerEvidence(int(start), int(end)) for start, end in runs)


async def score(bench: Bench, decode: Callable[[bytes], Features[BannerRow]] = decode_banner) -> Verdict:
    media, run = MediaSource(bench.fetcher, 2**20), on_threads(ThreadPoolExecutor(1, "toy"))
    bench.modalities.append(BannerModality(media, run, decode))
    return await bench.score(text="hello", surface="a:banner")


def bench_with(content: bytes) -> Bench:
    bench = Bench()
    bench.fetcher.media["a:banner"] = content
    return bench


async def test_it_is_fetched_decoded_scored_fused_and_explained() -> None:
    bench = bench_with(b"BAN" + bytes(range(7)))
    bench.classifier.script = finds("threat", 0.95, ("banner_encoder",))
    verdict = await score(bench)
    assert verdict.decision == "block"
    assert verdict.modalities == {"text": "ok", "banner:0": "ok"}
    assert verdict.models.keys() == {"fusion", "text_encoder", "banner_encoder"}
    (reason,) = verdict.reasons
    assert reason.contributions["banner:0"] > 0.9
    assert list(msgspec.to_builtins(reason.evidence)) == [{"modality": "banner", "start": 0, "end": 7}]


async def test_what_it_decoded_reaches_its_encoder() -> None:
    bench, seen = bench_with(b"BAN" + bytes([3, 200])), []

    def look(model, row):
        if model.name == "banner_encoder":
            seen.append(row["lights"].tolist())
        return finds("threat", 0.0, ())(model, row)

    bench.classifier.script = look
    await score(bench)
    assert seen == [[3, 200]]


async def test_it_is_decoded_where_it_was_told_to() -> None:
    threads = []

    def decode(content: bytes) -> Features[BannerRow]:
        threads.append(threading.current_thread().name)
        return decode_banner(content)

    await score(bench_with(b"BAN\0"), decode)
    assert threads == ["toy_0"]


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [(b"no banner", "failed: not a banner", "not_banner"), (None, "failed: unreachable: no such host", "unreachable")],
)
async def test_its_failures_are_its_own(content: bytes | None, status: str, reason: str) -> None:
    bench = Bench() if content is None else bench_with(content)
    verdict = await score(bench)
    assert (verdict.decision, verdict.modalities) == ("review", {"text": "ok", "banner:0": status})
    assert bench.count("sluice_failed_parts_total", modality="banner", reason=reason) == 1


async def test_what_was_left_out_of_it_is_said_and_reviewed() -> None:
    verdict = await score(bench_with(b"BAN" + bytes(100)))
    assert (verdict.decision, verdict.modalities["banner:0"]) == ("review", "partial: 64 of 100 lights read")


async def test_consumers_read_its_evidence_once_the_schema_names_it() -> None:
    bench = bench_with(b"BAN" + bytes(7))
    bench.classifier.script = finds("threat", 0.95, ("banner_encoder",))
    written = encode(await score(bench))
    with pytest.raises(msgspec.ValidationError, match="banner"):
        decode_verdict(written)
