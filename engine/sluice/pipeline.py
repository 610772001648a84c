"""A post in, a verdict out: fetch → extract → encode → fuse → decide. No Kafka in it.

Each step takes what the step before returned. Posts are scored each on its own and concurrently; the `Classifier` below
makes batches of whatever is under way, so a slow download holds up nobody else's batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from sluice.config import PipelineConfig
from sluice.contract import FUSION
from sluice.errors import InferenceError, InferenceUnavailable
from sluice.inference import Arrays, Classifier, Clearance
from sluice.inference.identity import ModelIdentities
from sluice.metrics import STAGES, Metrics
from sluice.modalities.base import AnyModality, Part
from sluice.modalities.first_stage import FirstStage
from sluice.modalities.parts import PartScorer, describe_refusal
from sluice.modalities.repeated import PATIENCE, PartRepeats
from sluice.modalities.scored import ScoredPart, find_clear, find_repeated, longest_of
from sluice.modalities.shedding import Shedding
from sluice.repeats import Repeats
from sluice.schema import AuthorHistory, Post, Verdict
from sluice.tracing import UNTRACED, Tracer
from sluice.verdict.authors import Authors
from sluice.verdict.counts import VerdictCounts
from sluice.verdict.facts import basis_of, facts_of, language_of, rebase
from sluice.verdict.fusion import Scores, fusion_rows, highest_of, read_first_look, read_scores, whole_row
from sluice.verdict.known import Known
from sluice.verdict.models_used import models_used
from sluice.verdict.policy import Policy, find
from sluice.verdict.policy_set import PolicySet
from sluice.verdict.prior import Prior
from sluice.verdict.reasons import explain
from sluice.verdict.repeated import VerdictRepeats, is_kept
from sluice.verdict.times import in_ms, timestamp
from sluice.verdict.watchlist import NOTHING_WATCHED, Watchlist

logger = logging.getLogger(__name__)

FUSE_SHARE = 0.1
"""Of a post's time, kept for fusion: parts that are not scored before are late."""


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A post that was picked up: its parts, and when they and the verdict are due on the loop's clock.

    Without media its parts are not kept for repeats: its verdict is, as a whole. It is judged by the policies and lists
    that were in force when it was picked up, and by what was known of its author then.
    """

    post: Post
    policies: PolicySet
    watchlist: Watchlist
    author: AuthorHistory | None
    parts: tuple[Part, ...]
    parts_due: float
    verdict_due: float
    start_s: float
    wait_s: float
    has_media: bool
    clearance: Clearance | None


@dataclass(frozen=True, slots=True)
class _Fused:
    """A post's scores, and the parts they rest on."""

    parts: Sequence[ScoredPart]
    scores: Scores
    fuse_s: float


_NO_STAGE = dict.fromkeys((*STAGES, "total"), 0.0)


class Pipeline:
    """Scores posts.

    Parameters
    ----------
    modalities : sequence of Modality
        What a post may be made of, in the order in which its verdict names the parts.
    classifier : Classifier
    policies : PolicySet
    metrics : Metrics
    config : PipelineConfig
    clock : callable
        Seconds since the epoch.
    repeats : Repeats or None
        What is kept of posts for those that repeat them; None scores everything anew.
    tracer : Tracer
        Makes spans of a post's way.
    """

    def __init__(
        self,
        modalities: Sequence[AnyModality],
        classifier: Classifier,
        policies: PolicySet,
        metrics: Metrics,
        config: PipelineConfig | None = None,
        clock: Callable[[], float] = time.time,
        repeats: Repeats | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._authors: Authors | None = None
        self._modalities, self._hashing = modalities, [modality.hashing for modality in modalities]
        self._identities = ModelIdentities(classifier)
        self._repeats = None if repeats is None else VerdictRepeats(repeats, self._identities)
        self._config = config or PipelineConfig()
        self._parts = PartScorer(
            classifier,
            None if repeats is None else PartRepeats(repeats, self._identities),
            Shedding(metrics) if self._config.sheds else None,
            tracer,
            FirstStage(classifier, metrics),
        )
        self._tracer = tracer
        self._classifier = classifier
        self._policies = policies
        self._watchlist = NOTHING_WATCHED
        self._metrics = metrics
        self._stages = {stage: metrics.stage.labels(stage) for stage in STAGES}
        self._counts = VerdictCounts(metrics, classifier)
        self._clock = clock
        self._prior = Prior(classifier)

    @property
    def policy(self) -> Policy:
        """What decides the posts that no other policy is for."""
        return self._policies.default.policy

    def use_policies(self, policies: PolicySet) -> None:
        """Decide by another set from now on; posts that were picked up already are decided by the one before."""
        self._policies = policies

    def use_watchlist(self, watchlist: Watchlist) -> None:
        """Look for what these lists hold from now on, in posts that are picked up from now on."""
        self._watchlist = watchlist

    def remember(self, authors: Authors | None) -> None:
        """Ask from now on what is known of a post's author; None where nothing is."""
        self._authors = authors

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """See `Classifier.confirm`."""
        await self._classifier.confirm(max_age_s)

    async def recovered(self, model: str) -> None:
        """See `Classifier.recovered`."""
        await self._classifier.recovered(model)

    async def score(self, post: Post, published_at: float | None = None, *, in_full: bool = False) -> Verdict:
        """Score one post.

        Parameters
        ----------
        published_at : float or None
            When the post went into Kafka, in seconds since the epoch; None for a post that did not.
        in_full : bool
            Whether all models read its text: for who needs its scores, not only whether they reach a threshold.

        Raises
        ------
        InferenceUnavailable
            A model is away: score the post again when it has recovered.
        """
        with self._tracer.span("score", sluice__post_id=post.id):
            verdict = await self._score(self._admit(post, published_at, in_full))
            self._tracer.note(sluice__decision=verdict.decision)
            return verdict

    async def _score(self, admitted: _Admitted) -> Verdict:
        post = admitted.post
        if self._repeats is None or not is_kept(post):
            return await self._score_anew(admitted)
        with self._repeats.flight() as flight:
            key = admitted.policies.key(post, admitted.author) + admitted.watchlist.key(post, self._today())
            patience_s = PATIENCE * (admitted.parts_due - _now())
            found = await self._repeats.board(flight, post, key, patience_s, admitted.clearance)
            if found is not None:
                return self._repeat(admitted, found)
            verdict = await self._score_anew(admitted)
            self._repeats.land(flight, verdict)
            return verdict

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    async def close(self) -> None:
        """Leave nothing running; the classifier is the caller's."""
        await self._identities.close()

    def _repeat(self, admitted: _Admitted, found: Verdict) -> Verdict:
        """The verdict on another post with the same text, as this post's own."""
        self._stages["wait"].observe(admitted.wait_s)  # it goes through no other
        stage_s = {**_NO_STAGE, "wait": admitted.wait_s, "total": _total_s(admitted)}
        judge = admitted.policies.choose(admitted.post, found.language.code if found.language else "")
        findings, known = find(judge.policy, found.scores), Known(found.lists)
        self._counts.add(found.decision, judge.policy, findings, found.language, known)
        return msgspec.structs.replace(
            found,
            post_id=admitted.post.id,
            latency_ms=in_ms(stage_s),
            scored_at=timestamp(self._clock()),
            basis=rebase(found.basis, admitted.post, admitted.author),
            **_carried(admitted.post),
        )

    async def _score_anew(self, admitted: _Admitted) -> Verdict:
        looking = admitted.watchlist.look(admitted.post, self._today())
        scored = await self._score_parts(admitted)
        with self._tracer.span("fuse", sluice__n_parts=len(scored)):
            fused = await self._fuse(scored, admitted.verdict_due)
        stage_s = self._observe(admitted, fused)
        with self._tracer.span("decide"):
            known = Known(await looking, await admitted.watchlist.match(fused.parts))
            return self._judge(admitted, fused, known, stage_s)

    def _admit(self, post: Post, published_at: float | None, in_full: bool) -> _Admitted:
        total_s = min(post.deadline_ms or self._config.deadline_ms, self._config.max_deadline_ms) / 1000
        modalities = self._hashing if self._watchlist.takes_prints else self._modalities
        now, has_media = _now(), bool(post.images or post.audio)
        return _Admitted(
            post=post,
            policies=self._policies,
            watchlist=self._watchlist,
            author=self._authors.recall(post, published_at) if self._authors else None,
            parts=tuple(part for modality in modalities for part in modality.parts(post)),
            parts_due=now + total_s * (1 - FUSE_SHARE),
            verdict_due=now + total_s,
            start_s=time.perf_counter(),
            wait_s=max(0.0, self._clock() - published_at) if published_at is not None else 0.0,
            has_media=has_media,
            clearance=None if in_full or has_media else self._find_clearance(post),
        )

    def _find_clearance(self, post: Post) -> Clearance | None:
        clearance = self._classifier.clearance
        return clearance if clearance and self._policies.need_only(post, clearance.thresholds) else None

    async def _score_parts(self, admitted: _Admitted) -> list[ScoredPart]:
        score = partial(
            self._parts.score,
            deadline=admitted.parts_due,
            may_repeat=admitted.has_media,
            takes_digests=admitted.watchlist.takes_digests,
            clearance=admitted.clearance,
        )
        if len(admitted.parts) == 1:  # most posts: no task for it
            return await score(admitted.parts[0])
        scorings = map(score, admitted.parts)
        outcomes = await asyncio.gather(*scorings, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [scored for outcome in outcomes if not isinstance(outcome, BaseException) for scored in outcome]

    async def _fuse(self, scored: list[ScoredPart], due: float) -> _Fused:
        """Scores of the post; without an answer in time, the encoders' own, and the parts count as late."""
        start_s = time.perf_counter()
        if look := find_clear(scored):
            return _Fused(scored, read_first_look(look), 0.0)
        present = [part for part in scored if part.outputs]
        try:
            scores = read_scores(present, await self._infer_fusion(present, due))
        except InferenceUnavailable:
            raise
        except InferenceError as error:
            logger.warning("a post was not fused: %s", type(error).__name__)
            scores = highest_of(present)
            failure = describe_refusal(error)
            scored = [replace(part, rows=(), outputs=(), failure=part.failure or failure) for part in scored]
        return _Fused(scored, scores, time.perf_counter() - start_s)

    async def _infer_fusion(self, present: list[ScoredPart], due: float) -> list[Arrays]:
        """Outputs for `fusion_rows(present)`; what is left of a post without its only part is known already."""
        if len(present) == 1:
            return await self._prior.fuse(whole_row(present[0]), due)
        rows = fusion_rows(present)
        if len(rows) == 2:
            return await self._prior.fuse(rows[0], due)
        return await self._classifier.infer(FUSION, rows, due)

    def _observe(self, admitted: _Admitted, fused: _Fused) -> dict[str, float]:
        """Record seconds per stage in the metrics; returns them, with the total."""
        stage_s = {"wait": admitted.wait_s}
        stage_s |= {stage: longest_of(fused.parts, stage) for stage in ("fetch", "extract", "read", "encode")}
        stage_s["fuse"] = fused.fuse_s
        for stage, seconds in stage_s.items():
            self._stages[stage].observe(seconds)
        for part in fused.parts:
            if part.failure:
                self._metrics.failed_parts.labels(part.part.modality.name, part.failure.reason).inc()
        return {**stage_s, "total": _total_s(admitted)}

    def _judge(self, admitted: _Admitted, fused: _Fused, known: Known, stage_s: dict[str, float]) -> Verdict:
        language = language_of(fused.parts)
        facts = facts_of(admitted.post, fused.parts, fused.scores, language, known, admitted.author)
        judge = admitted.policies.choose(admitted.post, facts.language)
        said = judge.judge(facts)
        self._counts.add(said.decision, judge.policy, said.findings, language, known)
        seen = [part for part in fused.parts if part.outputs]
        return Verdict(
            post_id=admitted.post.id,
            decision=said.decision,
            scores=fused.scores.probability,
            severity=fused.scores.severity,
            reasons=tuple(explain(finding, seen, fused.scores, judge.policy) for finding in said.findings),
            modalities=dict(facts.parts),
            policy=judge.ref,
            models=models_used(fused.parts, self._classifier.versions),
            latency_ms=in_ms(stage_s),
            scored_at=timestamp(self._clock()),
            language=language,
            urgency=said.urgency,
            cached=find_repeated(fused.parts),
            rules=said.rules,
            queue=said.queue,
            tags=said.tags,
            basis=basis_of(facts),
            lists=known.lists,
            hashes=known.hashes,
            **_carried(admitted.post),
        )


def _carried(post: Post) -> dict[str, Any]:
    """What a verdict says of its post besides the scores: who wrote it, where, in whose community."""
    return {"author_id": post.author_id, "surface": post.surface, "tenant": post.tenant, "market": post.market}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _total_s(admitted: _Admitted) -> float:
    return admitted.wait_s + time.perf_counter() - admitted.start_s
