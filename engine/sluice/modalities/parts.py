"""A part's way from its source to its encoder's outputs: fetch, extract, encode."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelCrashed, PartFailed, PartLate
from sluice.features import Features, Languages
from sluice.features.language_names import describe_unread
from sluice.inference import Arrays, Classifier
from sluice.modalities.base import Part, inputs_of
from sluice.schema import Evidence

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part with its encoder's outputs, or the reason why there are none.

    Attributes
    ----------
    rows, outputs
        One entry per row, the rows of the part's own kind; empty where `failure` is set.
    languages : Languages or None
        Those of a text that was read.
    stage_s : dict of str to float
        Seconds spent in ``fetch``, ``extract`` and ``encode``.
    """

    part: Part
    rows: Sequence[Any] = ()
    outputs: Sequence[Arrays] = ()
    partial: str | None = None
    failure: PartFailed | None = None
    languages: Languages | None = None
    stage_s: dict[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What the verdict's `modalities` say of it."""
        if self.failure:
            return f"failed: {self.failure.detail}"
        missing = [self.partial] if self.partial else []
        if self.languages and self.languages.unread:
            missing.append(describe_unread(self.languages.unread))
        return f"partial: {'; '.join(missing)}" if missing else "ok"

    @property
    def complete(self) -> bool:
        """Whether all of the part was scored."""
        return not (self.failure or self.partial)

    @property
    def understood(self) -> bool:
        """Whether the encoder was measured on the languages of all large parts of it."""
        return not (self.languages and self.languages.unread)

    def evidence(self, label: str) -> tuple[Evidence, ...]:
        """Where in the part its encoder saw a label."""
        return self.part.modality.evidence(self.part, self.rows, self.outputs, label)


class PartScorer:
    """Takes one part from its source to its encoder's outputs."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

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
            failure = describe_refusal(error)
        except Exception as error:
            logger.error("%s could not be scored: %s\n%s", part.name, type(error).__name__, trace_of(error))
            failure = PartFailed("internal", f"internal error: {type(error).__name__}")
        return ScoredPart(part, failure=failure, stage_s=stage_s)

    async def _score(self, part: Part, deadline: float, stage_s: dict[str, float]) -> ScoredPart:
        features, model = await _read(part, stage_s), part.modality.model
        with _timed(stage_s, "encode"):
            rows = [inputs_of(model, row) for row in features.rows]
            outputs = await self._classifier.infer(model, rows, deadline)
        return ScoredPart(part, features.rows, outputs, features.partial, languages=features.languages, stage_s=stage_s)


async def _read(part: Part, stage_s: dict[str, float]) -> Features[Any]:
    """Features of the part; its bytes, which may be many, are let go of before this returns."""
    async with AsyncExitStack() as held:
        with _timed(stage_s, "fetch"):
            source = await held.enter_async_context(part.modality.fetch(part))
        with _timed(stage_s, "extract"):
            return await part.modality.extract(source)


def describe_refusal(error: InferenceError) -> PartFailed:
    """Why a part has no scores of its model."""
    if isinstance(error, InferenceLate):
        return PartLate()
    return PartFailed("inference", f"the model {'crashes on' if isinstance(error, ModelCrashed) else 'refused'} it")


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
