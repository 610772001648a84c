"""A part's way to its scores: every failure is its own part's, but for an outage, which is nobody's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from sluice.contract import AUDIO_ENCODER, N_FRAMES, N_MELS
from sluice.errors import InferenceError, InferenceUnavailable, MediaInvalid
from sluice.features import AudioRow, Features, Language, Languages
from sluice.inference.fake import ScriptedClassifier
from sluice.modalities.base import Modality, Part
from sluice.modalities.parts import PartScorer, trace_of
from sluice.modalities.scored import ScoredPart, statuses_of
from sluice.schema import TextEvidence

SECRET = "words that nobody but the author wrote"


def row() -> AudioRow:
    return AudioRow(np.zeros((N_MELS, N_FRAMES), np.float32), 0.0, 4.0)


class Told(Modality[str, AudioRow]):
    """Does as it is told in each step, and notes whether what it fetched was let go of."""

    name = "told"
    model = AUDIO_ENCODER
    kind = 0

    def __init__(self, fetch=None, extract=None, partial=None, languages=None) -> None:
        self._errors = {"fetch": fetch, "extract": extract}
        self._features = Features((row(), row()), partial, languages)
        self.is_held = False

    def parts(self, post):
        return [Part(self, "told", post.text)]

    @asynccontextmanager
    async def fetch(self, part: Part) -> AsyncIterator[str]:
        await self._step("fetch")
        self.is_held = True
        try:
            yield part.source
        finally:
            self.is_held = False

    async def extract(self, source: str) -> Features[AudioRow]:
        await self._step("extract")
        assert self.is_held
        return self._features

    async def _step(self, name: str) -> None:
        fault = self._errors[name]
        if fault == "hang":
            await asyncio.Event().wait()
        if fault:
            raise fault

    def evidence(self, part, rows, outputs, label):
        return (TextEvidence(len(rows), len(outputs)),)


async def score(modality: Told, classifier=None, patience_s: float = 30.0) -> ScoredPart:
    scorer = PartScorer(classifier or ScriptedClassifier())
    deadline = asyncio.get_running_loop().time() + patience_s
    (scored,) = await scorer.score(Part(modality, "told", SECRET), deadline)
    return scored


def status_of(scored: ScoredPart) -> str:
    return statuses_of([scored])["told"]


async def test_a_part_that_is_scored_is_ok_and_timed() -> None:
    scored = await score(Told())
    assert (status_of(scored), scored.complete, scored.understood, scored.failure) == ("ok", True, True, None)
    assert len(scored.rows) == len(scored.outputs) == 2
    assert set(scored.stage_s) == {"fetch", "extract", "encode"}
    assert min(scored.stage_s.values()) >= 0
    assert scored.evidence("threat") == (TextEvidence(2, 2),)


async def test_what_was_fetched_is_let_go_of_before_it_is_encoded() -> None:
    modality = Told()

    class Watching(ScriptedClassifier):
        async def infer(self, model, rows, deadline):
            assert not modality.is_held
            return await super().infer(model, rows, deadline)

    assert status_of(await score(modality, Watching())) == "ok"


@pytest.mark.parametrize("step", ["fetch", "extract"])
async def test_a_part_that_fails_says_why_and_has_no_scores(step: str) -> None:
    modality = Told(**{step: MediaInvalid("not_image", "not an image")})
    scored = await score(modality)
    assert status_of(scored) == "failed: not an image"
    assert (scored.complete, scored.rows, scored.outputs) == (False, (), ())
    assert scored.failure is not None
    assert scored.failure.reason == "not_image"
    assert not modality.is_held


@pytest.mark.parametrize("step", ["fetch", "extract"])
async def test_a_step_that_takes_too_long_makes_the_part_late(step: str) -> None:
    modality = Told(**{step: "hang"})
    scored = await score(modality, patience_s=0.01)
    assert status_of(scored) == "failed: late: the post's deadline came first"
    assert not modality.is_held
    assert step in scored.stage_s  # also of what was not finished it is known how long it took


async def test_a_model_that_takes_too_long_makes_the_part_late() -> None:
    scored = await score(Told(), ScriptedClassifier(delay_s={AUDIO_ENCODER.name: 60.0}), patience_s=0.01)
    assert scored.failure is not None
    assert scored.failure.reason == "late"
    assert set(scored.stage_s) == {"fetch", "extract", "encode"}


async def test_an_outage_is_not_the_parts_fault() -> None:
    classifier = ScriptedClassifier()
    classifier.errors[AUDIO_ENCODER.name] = InferenceUnavailable("away", AUDIO_ENCODER.name)
    with pytest.raises(InferenceUnavailable):
        await score(Told(), classifier)


async def test_a_model_that_refuses_is_logged_without_what_it_refused(caplog: pytest.LogCaptureFixture) -> None:
    classifier = ScriptedClassifier()
    classifier.errors[AUDIO_ENCODER.name] = InferenceError(f"bad row: {SECRET}")
    with caplog.at_level(logging.ERROR):
        scored = await score(Told(), classifier)
    assert status_of(scored) == "failed: the model refused it"
    assert "the model refused told: InferenceError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_bug_costs_its_own_part_and_its_log_shows_no_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        scored = await score(Told(extract=ValueError(f"cannot parse {SECRET!r}")))
    assert status_of(scored) == "failed: internal error: ValueError"
    assert "told could not be scored: ValueError" in caplog.text
    assert "test_parts.py" in caplog.text  # where it happened
    assert SECRET not in caplog.text


def test_a_trace_names_places_and_not_messages() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        trace = trace_of(error)
    assert "test_a_trace_names_places" in trace
    assert SECRET not in trace


ENGLISH, UNREAD = Languages(Language("en", 1.0)), Languages(Language("en", 0.6), ("sv", "und-Cyrl"))


@pytest.mark.parametrize(
    ("partial", "languages", "status", "complete", "understood"),
    [
        (None, None, "ok", True, True),
        (None, ENGLISH, "ok", True, True),
        ("2 of 9 windows read", ENGLISH, "partial: 2 of 9 windows read", False, True),
    ],
)
async def test_what_is_missing_is_said(partial, languages, status, complete, understood) -> None:
    scored = await score(Told(partial=partial, languages=languages))
    assert (status_of(scored), scored.complete, scored.understood) == (status, complete, understood)


async def test_a_language_that_is_not_read_is_named_beside_what_is_cut_off() -> None:
    whole = await score(Told(languages=UNREAD))
    cut = await score(Told(partial="2 of 9 windows read", languages=UNREAD))
    assert status_of(whole).startswith("partial: ")
    assert whole.complete
    assert not whole.understood
    assert status_of(cut) == f"partial: 2 of 9 windows read; {status_of(whole).removeprefix('partial: ')}"
    assert not cut.complete
