"""A part's way from its source to its encoder's outputs: fetch, extract, encode."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.contract import ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelCrashed, PartFailed, PartLate
from sluice.features import Features, Row, RowT
from sluice.hashes.finder import digests_of
from sluice.inference import Arrays, Classifier, Clearance
from sluice.modalities.base import Part, inputs_of
from sluice.modalities.first_stage import FirstStage
from sluice.modalities.repeated import PartRepeats, Scored
from sluice.modalities.scored import ScoredPart
from sluice.modalities.shedding import Shedding
from sluice.repeats import Flight
from sluice.tracing import UNTRACED, Tracer

logger = logging.getLogger(__name__)

STANDS_OUT = -2.2
"""A logit, a probability of 0.1: no threshold that `sluice calibrate` writes is lower."""


class PartScorer:
    """Takes one part from its source to its encoder's outputs.

    Parameters
    ----------
    classifier : Classifier
    repeats : PartRepeats or None
        What was scored before; without it everything is scored each time.
    shedding : Shedding or None
        What is not begun; without it everything is.
    tracer : Tracer
        Makes a span of each stage.
    first_stage : FirstStage or None
        Looks at parts that may be cleared; without it no part is.
    """

    def __init__(
        self,
        classifier: Classifier,
        repeats: PartRepeats | None = None,
        shedding: Shedding | None = None,
        tracer: Tracer = UNTRACED,
        first_stage: FirstStage | None = None,
    ) -> None:
        self._first_stage = first_stage
        self._classifier = classifier
        self._repeats = repeats
        self._shedding = shedding
        self._tracer = tracer

    async def score(
        self,
        part: Part,
        deadline: float,
        *,
        may_repeat: bool = False,
        takes_digests: bool = False,
        clearance: Clearance | None = None,
    ) -> list[ScoredPart]:
        """Outputs of the part's encoder, or the failure of this part; behind it, what was found in it.

        Parameters
        ----------
        deadline : float
            On the running loop's clock, in seconds.
        may_repeat : bool
            Whether what came of the same source before will do.
        takes_digests : bool
            Whether the bytes of media are hashed as they come.
        clearance : Clearance or None
            Under what the first stage may be all that reads it; without it all models do.

        Raises
        ------
        InferenceUnavailable
            Triton is down, which is not the part's fault.
        """
        way = _Way(takes_digests, clearance)
        if self._repeats is None or not may_repeat:
            return await self._score_all(part, deadline, None, way)
        with self._repeats.flight() as flight:
            found = await self._score_all(part, deadline, flight, way)
            self._repeats.land(flight, found)
            return found

    async def _score_all(
        self, part: Part, deadline: float, flight: Flight[Scored] | None, way: _Way
    ) -> list[ScoredPart]:
        scored, inner = await self._attempt(part, deadline, flight, way)
        if way.digests:
            scored = [replace(scored[0], digests=way.digests), *scored[1:]]
        if inner is None:
            return scored
        found = await self.score(inner, deadline)
        # Whoever waits for the post's other parts need not keep the pages that were read.
        return [*scored, *(replace(each, part=replace(each.part, source=None)) for each in found)]

    async def _attempt(
        self, part: Part, deadline: float, flight: Flight[Scored] | None, way: _Way
    ) -> tuple[list[ScoredPart], Part | None]:
        if self._shedding is not None and not self._shedding.admits(part.modality.name):
            return [ScoredPart(part, failure=PartLate("not begun, the worker has too much to do"))], None
        time_s, stage_s = deadline - asyncio.get_running_loop().time(), way.stage_s
        scored, inner = await self._attempt_begun(part, deadline, way, flight)
        if self._shedding is not None:
            is_late = isinstance(scored[0].failure, PartLate)
            self._shedding.note(time_s, stage_s.get("fetch"), is_late=is_late)
        return scored, inner

    async def _attempt_begun(
        self, part: Part, deadline: float, way: _Way, flight: Flight[Scored] | None
    ) -> tuple[list[ScoredPart], Part | None]:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._score(part, deadline, way, flight)
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
        return [ScoredPart(part, failure=failure, stage_s=way.stage_s)], None

    async def _score(
        self, part: Part, deadline: float, way: _Way, flight: Flight[Scored] | None
    ) -> tuple[list[ScoredPart], Part | None]:
        features, stage_s = await self._read(part, deadline, way, flight), way.stage_s
        if isinstance(features, list):
            return features, None
        model, look = part.modality.model, None
        with self._stage(stage_s, "encode", part):
            if way.clearance is not None and self._first_stage is not None:
                look = await self._first_stage.look(features, way.clearance, deadline)
                if look is not None and look.is_clear:
                    return [ScoredPart(part, languages=features.languages, stage_s=stage_s, first_look=look)], None
            rows: Sequence[Row] = features.rows
            outputs = await self._infer(model, rows, deadline)
            if again := find_outstanding(features, outputs):
                closer = dict(zip(again, await self._infer(model, list(again.values()), deadline), strict=True))
                cleared = {n for n in again if is_cleared(outputs[n]["logits"], closer[n]["logits"])}
                rows = [again[n] if n in cleared else row for n, row in enumerate(rows)]
                outputs = [closer[n] if n in cleared else row for n, row in enumerate(outputs)]
        scored = ScoredPart(
            part,
            rows,
            outputs,
            features.partial,
            languages=features.languages,
            stage_s=stage_s,
            prints=features.prints,
            first_look=look,
        )
        return [scored], part.modality.found_in(part, features)

    async def _read(
        self, part: Part, deadline: float, way: _Way, flight: Flight[Scored] | None
    ) -> Features[Any] | list[ScoredPart]:
        """Features of the part, or what came of the same before; its bytes are let go of before this returns."""
        stage_s = way.stage_s
        async with AsyncExitStack() as held:
            with self._stage(stage_s, "fetch", part):
                source = await held.enter_async_context(part.modality.fetch(part))
            if way.takes_digests and isinstance(source, bytes):
                way.digests = await asyncio.to_thread(digests_of, source)
            if flight is not None and self._repeats is not None:
                found = await self._repeats.board(flight, part, source, deadline)
                if found is not None:
                    return [replace(each, stage_s=stage_s) for each in found]
            with self._stage(stage_s, part.modality.extract_stage, part):
                features: Features[Any] = await part.modality.extract(source)
                return features

    def _stage(self, stage_s: dict[str, float], stage: str, part: Part) -> _Timed:
        """Time a stage, and make a span of it."""
        return _Timed(stage_s, stage, self._tracer.span(stage, sluice__part=part.name))

    async def _infer(self, model: ModelSpec, rows: Sequence[Row], deadline: float) -> list[Arrays]:
        inputs = [inputs_of(model, row) for row in rows]
        return await self._classifier.infer(model, inputs, deadline) if inputs else []


def find_outstanding(features: Features[RowT], outputs: Sequence[Arrays]) -> dict[int, RowT]:
    """Details that show a label which nothing else shows as clearly, each with what is around it, by position."""
    details = [n for n in features.wider if (outputs[n]["logits"] > STANDS_OUT).any()]
    if not details:
        return {}
    rest = [row["logits"] for n, row in enumerate(outputs) if n not in features.wider]
    bar = np.maximum(np.max(rest, axis=0), STANDS_OUT)
    return {n: features.wider[n] for n in details if (outputs[n]["logits"] > bar).any()}


def is_cleared(own: npt.NDArray[Any], wider: npt.NDArray[Any]) -> bool:
    """Whether a detail shows nothing any more once it is read with what is around it: then that reading counts.

    Otherwise its own does: more around it may let a harm go under, and must not add one.

    Parameters
    ----------
    own, wider : ndarray, shape = (labels,)
        Logits.
    """
    return not (wider[own > STANDS_OUT] > STANDS_OUT).any()


def describe_refusal(error: InferenceError) -> PartFailed:
    """Why a part has no scores of its model."""
    if isinstance(error, InferenceLate):
        return PartLate()
    return PartFailed("inference", f"the model {'crashes on' if isinstance(error, ModelCrashed) else 'refused'} it")


@dataclass(slots=True)
class _Way:
    """What is noted on a part's way: how long each stage took, and what its bytes are known by, if that is wanted.

    Attributes
    ----------
    takes_digests, clearance
        See `PartScorer.score`.
    """

    takes_digests: bool = False
    clearance: Clearance | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    digests: Mapping[str, bytes] = field(default_factory=dict)


class _Timed:
    """Notes how long its block took, inside a span; a context like those of `contextlib`, in a third of their time."""

    __slots__ = ("_span", "_stage", "_stage_s", "_start")

    def __init__(self, stage_s: dict[str, float], stage: str, span: AbstractContextManager[None]) -> None:
        self._stage_s = stage_s
        self._stage = stage
        self._span = span

    def __enter__(self) -> None:
        self._start = time.perf_counter()
        self._span.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._stage_s[self._stage] = time.perf_counter() - self._start
        self._span.__exit__(*raised)


def trace_of(error: BaseException) -> str:
    """Where it happened without what was said: an error's message may hold content."""
    return "".join(traceback.format_tb(error.__traceback__))
