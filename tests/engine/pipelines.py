"""A pipeline over the fakes of our own seams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry

from sluice.bytebudget import Lease
from sluice.config import PipelineConfig
from sluice.contract import ModelSpec
from sluice.errors import MediaInvalid, MediaUnavailable
from sluice.features import N_FRAMES, N_MELS, AudioRow, Features, ImageRow, Language, Languages, Print, TextRow
from sluice.inference import Array, Arrays
from sluice.inference.fake import ScriptedClassifier, quiet
from sluice.metrics import Metrics
from sluice.modalities.audio import AudioModality
from sluice.modalities.base import AnyModality
from sluice.modalities.extraction import on_threads
from sluice.modalities.image import HashedImageModality, ImageModality
from sluice.modalities.media import MediaSource
from sluice.modalities.text import TextModality
from sluice.pipeline import Pipeline
from sluice.schema import LABELS, Post, Verdict
from sluice.verdict.policy import Policy, Thresholds
from sluice.verdict.policy_set import PolicySet

POLICY = Policy(name="test", version=1, labels={"threat": Thresholds(review=0.4, block=0.9)})
POLICIES = PolicySet.of(POLICY)

SECRET = b"secret"
SHOWN = Print(b"\x0f" * 32, 90)
"""What every picture is known by."""


class FakeFetcher:
    """Media by URI; a URI that is missing is unreachable, one that maps to None never comes."""

    def __init__(self, media: dict[str, bytes | None]) -> None:
        self.media = media

    async def fetch(self, uri: str, lease: Lease) -> bytes:
        if uri not in self.media:
            raise MediaUnavailable("unreachable", "unreachable: no such host")
        content = self.media[uri]
        if content is None:
            await asyncio.Event().wait()
        assert content is not None
        return content


def extract_text(text: str) -> Features[TextRow]:
    """One token per word."""
    spans, at = [(0, 0)], 0
    for word in text.split():
        at = text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    ids = np.array([len(text), *(ord(word[0]) for word in text.split())], np.int64)
    return Features((TextRow(ids, np.ones_like(ids), np.array(spans, np.int32)),))


def extract_texts(texts: list[str]) -> list[Features[TextRow]]:
    return [extract_text(text) for text in texts]


def extract_image(content: bytes) -> Features[ImageRow]:
    if content == b"broken":
        raise MediaInvalid("not_image", "not an image")
    if content == SECRET:
        raise RuntimeError(content.decode())
    pixels = np.zeros((3, 160, 160), np.uint8)
    return Features((ImageRow(pixels, (0.0, 0.0, 1.0, 1.0)),), "4 of 9 frames read" if content == b"long" else None)


def extract_image_and_prints(content: bytes) -> Features[ImageRow]:
    return replace(extract_image(content), prints=(SHOWN,))


def extract_audio(content: bytes) -> Features[AudioRow]:
    return Features((AudioRow(np.zeros((N_MELS, N_FRAMES), np.float32), 0.0, 4.0),))


def finds(label: str, score: float, models: tuple[str, ...]) -> Callable[[ModelSpec, Arrays], Array]:
    def script(model: ModelSpec, row: Arrays) -> Array:
        scores = quiet(model, row)
        if model.name in models:
            scores[LABELS.index(label)] = score
        return scores

    return script


NAMED = {"policy": POLICY.name, "policy_version": str(POLICY.version)}


class Bench:
    """A pipeline over fakes, and what they hold."""

    def __init__(self, max_media_bytes: int = 2**30) -> None:
        self.classifier = ScriptedClassifier()
        self.fetcher = FakeFetcher({"a:ok": b"ok", "a:broken": b"broken", "a:bug": SECRET, "a:long": b"long"})
        self.metrics = Metrics(CollectorRegistry())
        self.languages = Languages(Language("en", 0.98))
        run, media = on_threads(ThreadPoolExecutor(2)), MediaSource(self.fetcher, max_media_bytes)
        self.modalities: list[AnyModality] = [
            TextModality(extract_texts, run, self.identify),
            ImageModality(media, run, extract_image, hashed=HashedImageModality(media, run, extract_image_and_prints)),
            AudioModality(media, run, extract_audio),
        ]
        self.pipeline = Pipeline(
            self.modalities,
            self.classifier,
            POLICIES,
            self.metrics,
            PipelineConfig(deadline_ms=20_000),
            clock=lambda: 1000.0,
        )

    def identify(self, texts: list[str]) -> list[Languages]:
        return [self.languages for _ in texts]

    async def score(self, **fields: object) -> Verdict:
        return await self.pipeline.score(msgspec.convert({"id": "p", **fields}, Post))

    def count(self, series: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(series, labels) or 0.0
