"""The parts of a post, and each part's way from its source to an encoder's outputs: fetch, extract, encode."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluice.contract import AUDIO_ENCODER, IMAGE_ENCODER, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, PartFailed, PartLate
from sluice.features import AudioRow, Features, ImageRow, Row, TextRow
from sluice.inference import Arrays, Classifier
from sluice.modalities.extraction import Extractors
from sluice.schema import Modality, Post

logger = logging.getLogger(__name__)

MAX_MEDIA_HELD = 100
"""Images and clips in memory, of all posts together: 2 GB at 20 MiB each. aiohttp opens no more connections either."""

ENCODERS: dict[Modality, ModelSpec] = {"text": TEXT_ENCODER, "image": IMAGE_ENCODER, "audio": AUDIO_ENCODER}


@dataclass(frozen=True, slots=True)
class Part:
    """One text, image or clip of a post.

    Attributes
    ----------
    name : str
        As verdicts call it: ``text``, ``image:0``, ``audio:3``.
    source : str
        The text itself, or the media's URI.
    """

    name: str
    modality: Modality
    index: int
    source: str


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part with its encoder's outputs, or the reason why there are none.

    Attributes
    ----------
    rows, outputs
        One entry per row; empty where `failure` is set.
    stage_s : dict of str to float
        Seconds spent in ``fetch``, ``extract`` and ``encode``.
    """

    part: Part
    rows: Sequence[Row] = ()
    outputs: Sequence[Arrays] = ()
    partial: str | None = None
    failure: PartFailed | None = None
    stage_s: dict[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What the verdict's `modalities` say of it."""
        if self.failure:
            return f"failed: {self.failure.detail}"
        return f"partial: {self.partial}" if self.partial else "ok"

    @property
    def complete(self) -> bool:
        """Whether all of the part was scored."""
        return not (self.failure or self.partial)


class Fetcher(Protocol):
    """Where the bytes behind a URI come from."""

    async def fetch(self, uri: str) -> bytes:
        """Bytes behind `uri`; raises `PartFailed`."""
        ...


def parts_of(post: Post) -> tuple[Part, ...]:
    """Parts in the order text, images, clips."""
    texts = [Part("text", "text", 0, post.text)] if post.text else []
    images = [Part(f"image:{i}", "image", i, media.uri) for i, media in enumerate(post.images)]
    clips = [Part(f"audio:{i}", "audio", i, media.uri) for i, media in enumerate(post.audio)]
    return (*texts, *images, *clips)


class PartScorer:
    """Takes one part from its source to its encoder's outputs.

    Parameters
    ----------
    extractors : mapping of modality to coroutine function
    """

    def __init__(self, fetcher: Fetcher, extractors: Extractors, classifier: Classifier) -> None:
        self._fetcher = fetcher
        self._extractors = extractors
        self._classifier = classifier
        self._room = asyncio.Semaphore(MAX_MEDIA_HELD)

    async def score(self, part: Part, deadline: float) -> ScoredPart:
        """Outputs of the part's encoder, or the failure of this part.

        Parameters
        ----------
        deadline : float
            On the running loop's clock, in seconds.

        Raises
        ------
        InferenceUnavailable
            Triton is down, which is not the part's fault.
        """
        stage_s: dict[str, float] = {}
        try:
            async with asyncio.timeout_at(deadline):
                return await self._score(part, deadline, stage_s)
        except (TimeoutError, InferenceLate):
            failure: PartFailed = PartLate()
        except InferenceUnavailable:
            raise
        except PartFailed as error:
            failure = error
        except InferenceError as error:
            logger.error("the model refused %s: %s", part.name, type(error).__name__)
            failure = PartFailed("inference", "the model refused it")
        except Exception as error:
            logger.error("%s could not be scored: %s\n%s", part.name, type(error).__name__, trace_of(error))
            failure = PartFailed("internal", f"internal error: {type(error).__name__}")
        return ScoredPart(part, failure=failure, stage_s=stage_s)

    async def _score(self, part: Part, deadline: float, stage_s: dict[str, float]) -> ScoredPart:
        features = await self._read(part, stage_s)
        with _timed(stage_s, "encode"):
            rows = [inputs_of(row) for row in features.rows]
            outputs = await self._classifier.infer(ENCODERS[part.modality], rows, deadline)
        return ScoredPart(part, features.rows, outputs, features.partial, stage_s=stage_s)

    async def _read(self, part: Part, stage_s: dict[str, float]) -> Features[Any]:
        """Features of the part; its bytes, which may be many, are let go of before this returns."""
        async with AsyncExitStack() as held:
            with _timed(stage_s, "fetch"):
                source = await self._obtain(part, held)
            with _timed(stage_s, "extract"):
                return await self._extractors[part.modality](source)

    async def _obtain(self, part: Part, held: AsyncExitStack) -> str | bytes:
        if part.modality == "text":
            return part.source
        await held.enter_async_context(self._room)
        return await self._fetcher.fetch(part.source)


def inputs_of(row: Row) -> Arrays:
    """The tensors of a row, as its encoder names them."""
    match row:
        case TextRow():
            return {
                "input_ids": row.input_ids,
                "attention_mask": row.attention_mask,
                "byte_ids": row.byte_ids,
                "byte_mask": row.byte_mask,
            }
        case ImageRow():
            return {"pixels": row.pixels}
        case AudioRow():
            return {"log_mel": row.log_mel}


@contextmanager
def _timed(stage_s: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        stage_s[stage] = time.perf_counter() - start


def trace_of(error: BaseException) -> str:
    """Where it happened without what was said: an error's message may hold content."""
    return "".join(traceback.format_tb(error.__traceback__))
