"""A post in, a verdict out: fetch → extract → encode → fuse → decide. No Kafka in it.

Posts are scored each on its own and concurrently; the `Classifier` below makes batches of whatever is under way, so a
slow download holds up nobody else's batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sluice.config import PipelineConfig
from sluice.contract import FUSION
from sluice.errors import InferenceError, InferenceUnavailable, PartLate
from sluice.inference import Arrays, Classifier
from sluice.metrics import Metrics
from sluice.modalities.parts import ENCODERS, PartScorer, ScoredPart, parts_of
from sluice.schema import LABELS, Evidence, Post, Reason, Verdict
from sluice.verdict.evidence import audio_evidence, image_evidence, text_evidence
from sluice.verdict.fusion import Scores, fusion_rows, highest_of, read_scores
from sluice.verdict.policy import Finding, Policy, decide, find

logger = logging.getLogger(__name__)

PREPARE_S = 5.0
"""How long to wait for the fusion model's scores of nothing."""

FUSE_SHARE = 0.1
"""Of a post's time, kept for fusion: parts that are not scored before are late."""

WEIGHTY = 0.05
"""A part whose contribution reaches this is shown with evidence; the weightiest part always is."""


class Pipeline:
    """Scores posts.

    Parameters
    ----------
    parts : PartScorer
    classifier : Classifier
        For the fusion model, and the models' versions.
    policy : Policy
    metrics : Metrics
    config : PipelineConfig
    clock : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        parts: PartScorer,
        classifier: Classifier,
        policy: Policy,
        metrics: Metrics,
        config: PipelineConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._parts = parts
        self._classifier = classifier
        self._policy = policy
        self._metrics = metrics
        self._config = config or PipelineConfig()
        self._clock = clock
        self._versions: dict[str, str] = {}
        self._prior: Arrays | None = None

    async def prepare(self) -> None:
        """Read the models' versions; raises `InferenceUnavailable` while a model is not ready."""
        self._versions = await self._classifier.versions()
        self._prior = await self._read_prior()
        self._metrics.model.clear()  # a version that was replaced is no longer in use
        for model, version in self._versions.items():
            self._metrics.model.labels(model, version).set(1)

    async def _read_prior(self) -> Arrays:
        """The fusion model's outputs for nothing; one that is too busy to say so is not ready."""
        try:
            return (await self._classifier.infer(FUSION, fusion_rows([]), _in(PREPARE_S)))[0]
        except InferenceError as error:
            raise InferenceUnavailable(f"{FUSION.name} is not ready: {error}") from error

    async def score(self, post: Post, published_at: float | None = None) -> Verdict:
        """Score one post.

        Parameters
        ----------
        published_at : float or None
            When the post went into Kafka, in seconds since the epoch; None for a post that did not.

        Raises
        ------
        InferenceUnavailable
            Triton is down: score the post again when it is back.
        """
        picked_up_at, start = self._clock(), time.perf_counter()
        deadline, parts_deadline = self._deadlines(post)
        scored = await self._score_parts(post, parts_deadline)
        stage_s = {"wait": max(0.0, picked_up_at - published_at) if published_at is not None else 0.0}
        stage_s |= {stage: _longest(scored, stage) for stage in ("fetch", "extract", "encode")}
        fuse_start = time.perf_counter()
        scores, scored = await self._fuse(scored, deadline)
        stage_s["fuse"] = time.perf_counter() - fuse_start
        self._observe(scored, stage_s)
        stage_s["total"] = stage_s["wait"] + time.perf_counter() - start
        return self._judge(post, scored, scores, stage_s)

    def _deadlines(self, post: Post) -> tuple[float, float]:
        """When the verdict and when the parts are due, on the loop's clock."""
        total_s = min(post.deadline_ms or self._config.deadline_ms, self._config.max_deadline_ms) / 1000
        now = asyncio.get_running_loop().time()
        return now + total_s, now + total_s * (1 - FUSE_SHARE)

    async def _score_parts(self, post: Post, deadline: float) -> list[ScoredPart]:
        scorings = (self._parts.score(part, deadline) for part in parts_of(post))
        outcomes = await asyncio.gather(*scorings, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, ScoredPart)]

    async def _fuse(self, scored: list[ScoredPart], deadline: float) -> tuple[Scores, list[ScoredPart]]:
        """Scores of the post; without an answer in time, the encoders' own, and the parts count as late."""
        present = [part for part in scored if part.outputs]
        try:
            outputs = await self._infer_fusion(present, deadline)
            return read_scores(present, outputs), scored
        except InferenceUnavailable:
            raise
        except InferenceError as error:
            logger.warning("a post was not fused: %s", type(error).__name__)
            return highest_of(present), [ScoredPart(part.part, failure=part.failure or PartLate()) for part in scored]

    async def _infer_fusion(self, present: list[ScoredPart], deadline: float) -> list[Arrays]:
        """Outputs for `fusion_rows(present)`; what is left of a post without its only part is known already."""
        rows = fusion_rows(present)
        if len(present) == 1 and self._prior is not None:
            return [*await self._classifier.infer(FUSION, rows[:1], deadline), self._prior]
        return await self._classifier.infer(FUSION, rows, deadline)

    def _observe(self, scored: Sequence[ScoredPart], stage_s: dict[str, float]) -> None:
        for stage, seconds in stage_s.items():
            self._metrics.stage.labels(stage).observe(seconds)
        for part in scored:
            if part.failure:
                self._metrics.failed_parts.labels(part.part.modality, part.failure.reason).inc()

    def _judge(self, post: Post, scored: list[ScoredPart], scores: Scores, stage_s: dict[str, float]) -> Verdict:
        findings = find(self._policy, scores.probability)
        decision = decide(self._policy, findings, all(part.complete for part in scored))
        self._metrics.posts.labels(decision).inc()
        return Verdict(
            post_id=post.id,
            decision=decision,
            scores=scores.probability,
            severity=scores.severity,
            reasons=_reasons(findings, scored, scores),
            modalities={part.part.name: part.status for part in scored},
            policy=self._policy.ref,
            models=self._models_of(scored),
            latency_ms={stage: round(seconds * 1000, 3) for stage, seconds in stage_s.items()},
            scored_at=_timestamp(self._clock()),
        )

    def _models_of(self, scored: Sequence[ScoredPart]) -> dict[str, str]:
        used = [FUSION.name, *(ENCODERS[part.part.modality].name for part in scored)]
        return {name: self._versions.get(name, "unknown") for name in used}


def _reasons(findings: Sequence[Finding], scored: Sequence[ScoredPart], scores: Scores) -> tuple[Reason, ...]:
    seen = [part for part in scored if part.outputs]
    spans = {part.part.name: _spans(part) for part in seen if part.part.modality == "text"} if findings else {}
    return tuple(_reason(finding, seen, scores, spans) for finding in findings)


def _reason(
    finding: Finding, seen: Sequence[ScoredPart], scores: Scores, spans: Mapping[str, tuple[Evidence, ...]]
) -> Reason:
    contributions = scores.contributions(finding.label)
    bar = min(WEIGHTY, max(contributions.values(), default=0.0))
    weighty = [part for part in seen if contributions.get(part.part.name, -1.0) >= bar]
    evidence = [item for part in weighty for item in spans.get(part.part.name) or _places(part, finding.label)]
    return Reason(finding.label, finding.score, finding.threshold, contributions, tuple(evidence))


def _spans(scored: ScoredPart) -> tuple[Evidence, ...]:
    """What stands out in a text; the encoder marks it for all labels together."""
    return text_evidence(scored.rows, [row["token_scores"] for row in scored.outputs])  # type: ignore[arg-type]


def _places(scored: ScoredPart, label: str) -> tuple[Evidence, ...]:
    """Where in a picture or a clip the label shows."""
    index, n = scored.part.index, LABELS.index(label)
    match scored.part.modality:
        case "image":
            return image_evidence(index, scored.rows, [row["heatmap"][n] for row in scored.outputs])  # type: ignore[arg-type]
        case "audio":
            return audio_evidence(index, scored.rows, [row["frame_scores"][n] for row in scored.outputs])  # type: ignore[arg-type]
        case "text":
            return ()


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def _longest(scored: Sequence[ScoredPart], stage: str) -> float:
    """Parts go through the stages side by side: the slowest one counts."""
    return max((part.stage_s.get(stage, 0.0) for part in scored), default=0.0)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
