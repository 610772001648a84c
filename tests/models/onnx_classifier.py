"""The shipped models behind the engine's seam, run in this process: for tests of what a verdict says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import onnxruntime
from prometheus_client import CollectorRegistry

from sluice.config import MediaConfig, PipelineConfig
from sluice.contract import MODELS, ModelSpec
from sluice.features import Languages
from sluice.features.language import LanguageIdentifier
from sluice.features.text import TextExtractor
from sluice.inference import Array, Arrays
from sluice.inference.batching import BatchQueue
from sluice.media.fetcher import MediaFetcher
from sluice.metrics import Metrics
from sluice.modalities.extraction import on_threads
from sluice.modalities.media import MediaSource
from sluice.modalities.registry import all_modalities
from sluice.pipeline import Pipeline
from sluice.resources import default_policy
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Policy
from sluice.verdict.policy_set import PolicySet
from sluice_models.config import TRITON_REPO, read_languages

PATIENCE_MS = 60_000
"""Deadline of a post: these tests are about scores, on however slow a machine."""


class OnnxClassifier:
    """A `Classifier` on ONNX Runtime that makes batches as the real one does."""

    def __init__(self) -> None:
        self._queues = {spec.name: BatchQueue(spec, _send, _answer_probe) for spec in MODELS}

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """See `Classifier.infer`."""
        return await self._queues[model.name].run(rows, deadline)

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """See `Classifier.confirm`."""

    async def recovered(self, model: str) -> None:
        """See `Classifier.recovered`."""

    @property
    def versions(self) -> dict[str, str]:
        """See `Classifier.versions`."""
        return {spec.name: "1" for spec in MODELS}

    @property
    def languages(self) -> tuple[str, ...] | None:
        """See `Classifier.languages`."""
        return read_languages(TRITON_REPO)

    @property
    def clearance(self) -> None:
        """See `Classifier.clearance`: all models read every text."""


async def _answer_probe(_limit_s: float) -> None:
    """The models are in this process: they always answer."""


async def _send(spec: ModelSpec, batch: dict[str, Array], _deadline: float) -> list[Array]:
    found: list[Array] = load_session(spec.name).run(list(spec.output_names), batch)
    return found


@lru_cache
def load_session(name: str) -> Any:
    """A shipped model, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(TRITON_REPO / name / "1" / "model.onnx"), options)


@lru_cache
def load_extractor() -> TextExtractor:
    """The shipped tokenisers."""
    return TextExtractor()


@lru_cache
def load_identifier() -> LanguageIdentifier:
    """The shipped n-grams."""
    return LanguageIdentifier()


def identify(texts: list[str]) -> list[Languages]:
    """Their languages, those of the shipped text encoder being read."""
    return load_identifier().identify(texts, OnnxClassifier().languages)


@asynccontextmanager
async def open_pipeline(policy: Policy | None = None) -> AsyncIterator[Pipeline]:
    """The engine's pipeline over the shipped models and a policy, by default the shipped one; media are data URIs."""
    fetcher = MediaFetcher(MediaConfig())
    with ThreadPoolExecutor(1) as executor:
        run = on_threads(executor)
        classifier = OnnxClassifier()
        pipeline = Pipeline(
            all_modalities(MediaSource(fetcher, 2**30), load_extractor().extract_batch, identify, run, run),
            classifier,
            PolicySet.of(policy or load_policy(default_policy())),
            Metrics(CollectorRegistry()),
            PipelineConfig(PATIENCE_MS, PATIENCE_MS),
        )
        yield pipeline
    await fetcher.close()
