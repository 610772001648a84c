"""Puts the pipeline together on a Triton that answers, for the worker, for commands and for HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import tenacity

from sluice.config import SpeechConfig
from sluice.contract import FIRST_STAGE, MODELS, OCR_MODELS, ModelSpec
from sluice.decoding.pool import DecodingPool
from sluice.errors import InferenceUnavailable
from sluice.features import Languages
from sluice.features.language import LanguageIdentifier
from sluice.features.text import TextExtractor
from sluice.inference.repository import find_missing
from sluice.inference.triton import TritonClassifier
from sluice.media.fetcher import MediaFetcher
from sluice.metrics import Metrics
from sluice.modalities.extraction import on_threads
from sluice.modalities.media import MediaSource
from sluice.modalities.reading import PageReader
from sluice.modalities.registry import all_modalities
from sluice.pipeline import Pipeline
from sluice.repeats import Repeats
from sluice.settings import Settings
from sluice.speech.listener import Listener
from sluice.speech.weights import prepare_weights
from sluice.tracing import UNTRACED, Tracer
from sluice.verdict.policy_file import PolicyFile
from sluice.watching.in_force import Watched

logger = logging.getLogger(__name__)

THREAD_NAME = "extract"

LATE_S = 5.0
"""A server that has not answered for so long is named in the log."""


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    metrics: Metrics,
    policy: PolicyFile | None = None,
    tracer: Tracer = UNTRACED,
    watched: Watched | None = None,
) -> AsyncIterator[Pipeline]:
    """Build the pipeline on a Triton that answers, and close it all after.

    Parameters
    ----------
    policy : PolicyFile or None
        What to decide by; None reads the settings' file.
    tracer : Tracer
        Makes spans of a post's way; the caller's to close.
    watched : Watched or None
        What to look for; None reads the settings' files.

    Raises
    ------
    InferenceUnavailable
        Triton did not answer within `settings.start_timeout_s`; names its address.
    PolicyError, ListError
        A policy file or a list is wrong.
    """
    policy = policy or PolicyFile(settings.policy_path, metrics)
    if watched is None:
        watched = await asyncio.to_thread(Watched, settings.lists_path, settings.hashes_path, metrics)
    async with AsyncExitStack() as stack:
        words = stack.enter_context(_threads(1))  # of their own: large pictures must not make other posts' texts late
        decoders = DecodingPool(settings.memory.decoding)
        stack.push_async_callback(decoders.close)
        await decoders.start()
        fetcher = MediaFetcher(settings.media)
        ocr_models, first_stage = await _find_ocr_models(settings), await _find_first_stage(settings)
        classifier = TritonClassifier(settings.inference, metrics, (*MODELS, *ocr_models, *first_stage))
        stack.push_async_callback(fetcher.close)
        stack.push_async_callback(classifier.close)
        text, identifier = await asyncio.get_running_loop().run_in_executor(words, _load_readers, settings.tokenizer)
        held = MediaSource(fetcher, settings.memory.media_bytes)

        def identify(texts: list[str]) -> list[Languages]:
            return identifier.identify(texts, classifier.languages)

        reader = PageReader(classifier, metrics, settings.picture_text) if ocr_models else None
        listener = await stack.enter_async_context(_listening(settings.speech))
        modalities = all_modalities(held, text.extract_batch, identify, on_threads(words), decoders, reader, listener)
        cache_mb = settings.memory.cache_mb
        repeats = Repeats(cache_mb * 2**20, metrics) if cache_mb else None
        pipeline = Pipeline(
            modalities, classifier, policy.current, metrics, settings.pipeline, repeats=repeats, tracer=tracer
        )
        stack.push_async_callback(pipeline.close)
        policy.used_by(pipeline.use_policies)
        watched.used_by(pipeline.use_watchlist)
        await _prepare(pipeline, settings.start_timeout_s)
        yield pipeline


@asynccontextmanager
async def _listening(config: SpeechConfig) -> AsyncIterator[Listener | None]:
    """What transcribes speech; None where that is not wanted. Raises `SettingsError` without the extra ``speech``."""
    if not config.enabled:
        yield None
        return
    folder = await asyncio.to_thread(prepare_weights)
    async with Listener(folder, config) as listener:
        yield listener


def _load_readers(tokenizer: Path | None) -> tuple[TextExtractor, LanguageIdentifier]:
    # A few short texts are cut into pieces in less time than it takes to share them out among threads of its own and to
    # wait until each of those has had a core: with the models on all of them, milliseconds in which no post moves.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return TextExtractor(tokenizer), LanguageIdentifier()


@contextmanager
def _threads(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for extraction; one that hangs in a decoder must not keep the process alive."""
    executor = ThreadPoolExecutor(n_threads, thread_name_prefix=THREAD_NAME)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


async def _find_ocr_models(settings: Settings) -> tuple[ModelSpec, ...]:
    """The models that read text in pictures; none where that is not wanted, or the repository lacks one."""
    if not settings.picture_text.enabled:
        return ()
    if missing := await _find_missing(settings, OCR_MODELS):
        logger.warning("text in pictures is not read: Triton has no model %s", " and no model ".join(missing))
        return ()
    return OCR_MODELS


async def _find_first_stage(settings: Settings) -> tuple[ModelSpec, ...]:
    """The first stage; none where that is not wanted, or the repository lacks it: then every text is read in full."""
    if not settings.inference.first_stage:
        return ()
    if await _find_missing(settings, (FIRST_STAGE,)):
        logger.info("no text is cleared before it is read in full: Triton has no model %s", FIRST_STAGE.name)
        return ()
    return (FIRST_STAGE,)


async def _find_missing(settings: Settings, models: Sequence[ModelSpec]) -> list[str]:
    missing: list[str] = await _until_available(settings.start_timeout_s)(find_missing, settings.inference, models)
    return missing


async def _prepare(pipeline: Pipeline, timeout_s: float) -> None:
    with saying_if_late("Triton", timeout_s):
        await _until_available(timeout_s)(pipeline.confirm)


def _until_available(timeout_s: float) -> tenacity.AsyncRetrying:
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )


@contextmanager
def saying_if_late(what: str, timeout_s: float) -> Iterator[None]:
    """Name in the log what has not answered for `LATE_S`, long before it is given up."""
    late = "%s has not answered for %g s; it is given up after %g s (SLUICE_START_TIMEOUT_S)"
    timer = asyncio.get_running_loop().call_later(LATE_S, logger.warning, late, what, LATE_S, timeout_s)
    try:
        yield
    finally:
        timer.cancel()
