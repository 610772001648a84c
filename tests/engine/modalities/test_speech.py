"""Speech on its way to the verdict, over the fakes of our own seams."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from sluice.config import PipelineConfig
from sluice.contract import TEXT_ENCODER, ModelSpec
from sluice.features import AudioRow, Features, Language, Languages, Speech
from sluice.inference import Array, Arrays
from sluice.inference.fake import Script, quiet
from sluice.modalities import speech as module
from sluice.modalities.audio import AudioModality
from sluice.modalities.extraction import on_threads
from sluice.modalities.media import MediaSource
from sluice.modalities.speech import SpeechModality, Talk
from sluice.modalities.text import TextModality
from sluice.pipeline import Pipeline
from sluice.schema import LABELS, AudioEvidence, DetectedLanguage
from sluice.speech.listener import SpeechUnread
from sluice.speech.transcript import Segment
from tests.engine.pipelines import POLICIES, Bench, extract_audio, extract_texts, finds

SPEECH = Speech(np.zeros(3 * 16_000, np.int16), ((5.0, 7.0), (9.0, 10.0)))
CLIPS = [{"uri": "a:ok"}]


class FakeTranscriber:
    """Says what it is told to, after a while."""

    def __init__(self) -> None:
        self.segments = [Segment("one two", 0.0, 2.0), Segment("three", 2.0, 3.0)]
        self.failure: SpeechUnread | None = None
        self.delay_s = 0.0

    async def transcribe(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        await asyncio.sleep(self.delay_s)
        if self.failure:
            raise self.failure
        return self.segments


class SpokenBench(Bench):
    """A pipeline that reads the speech in clips."""

    def __init__(self) -> None:
        super().__init__()
        self.transcriber, self.speech = FakeTranscriber(), SPEECH
        run = on_threads(ThreadPoolExecutor(2))
        text = TextModality(extract_texts, run, self.identify)
        media = MediaSource(self.fetcher, 2**30)
        clips = AudioModality(media, run, self.extract, SpeechModality(self.transcriber, text))
        config = PipelineConfig(deadline_ms=20_000)
        self.pipeline = Pipeline([text, clips], self.classifier, POLICIES, self.metrics, config)

    def extract(self, content: bytes) -> Features[AudioRow]:
        return Features(extract_audio(content).rows, speech=self.speech)


@pytest.fixture
def bench() -> SpokenBench:
    return SpokenBench()


def threatens(words: str, score: float) -> Script:
    """A text encoder that finds a threat in texts as long as `words`."""

    def script(model: ModelSpec, row: Arrays) -> Array:
        scores = quiet(model, row)
        if model is TEXT_ENCODER and row["input_ids"][0] == len(words):
            scores[LABELS.index("threat")] = score
        return scores

    return script


async def test_it_is_scored_as_text_and_its_evidence_are_times_in_the_clip(bench: SpokenBench) -> None:
    bench.classifier.script = threatens("one two three", 0.95)
    verdict = await bench.score(audio=CLIPS)
    assert verdict.decision == "block"
    (reason,) = verdict.reasons
    assert reason.label == "threat"
    assert reason.contributions == {"audio:0": pytest.approx(0.94)}
    times = [(item.start_s, item.end_s) for item in reason.evidence if isinstance(item, AudioEvidence)]
    assert times == [(5.0, 7.0), (9.0, 10.0)]  # in between, nobody speaks
    assert verdict.modalities == {"audio:0": "ok"}
    assert verdict.language == DetectedLanguage("en", 0.98)
    assert set(verdict.models) == {"fusion", "audio_encoder", "text_encoder"}


async def test_a_clip_in_which_nobody_speaks_is_scored_as_before(bench: SpokenBench) -> None:
    bench.speech, bench.transcriber.failure = None, SpeechUnread("nobody asked")
    verdict = await bench.score(audio=CLIPS)
    assert (verdict.decision, verdict.modalities, verdict.language) == ("allow", {"audio:0": "ok"}, None)


async def test_speech_that_cannot_be_read_leaves_the_clip_scored(bench: SpokenBench) -> None:
    bench.transcriber.failure = SpeechUnread("it crashed the transcriber")
    bench.classifier.script = finds("threat", 0.95, ("audio_encoder",))
    verdict = await bench.score(audio=CLIPS)
    assert verdict.modalities == {"audio:0": "partial: its text: speech is not read: it crashed the transcriber"}
    assert verdict.decision == "block"
    assert bench.count("sluice_failed_parts_total", modality="speech", reason="speech") == 1


async def test_speech_that_is_late_makes_the_clip_partial(bench: SpokenBench) -> None:
    bench.transcriber.delay_s = 60.0
    verdict = await bench.score(audio=CLIPS, deadline_ms=2_000)
    assert verdict.modalities == {"audio:0": "partial: its text: late: the post's deadline came first"}
    assert verdict.decision == "review"


async def test_a_language_that_is_not_read_is_named(bench: SpokenBench) -> None:
    bench.languages = Languages(Language("th", 0.9), ("th",))
    verdict = await bench.score(audio=CLIPS)
    assert verdict.modalities == {"audio:0": "partial: its text: Thai is not read"}


async def test_what_finds_no_room_is_late_and_what_was_read_makes_room(
    bench: SpokenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_S", 2.9)
    late = {"audio:0": "partial: its text: late: the post's deadline came first"}
    assert (await bench.score(audio=CLIPS)).modalities == late
    monkeypatch.setattr(module, "MAX_WAITING_S", 3.0)
    for _ in range(2):
        assert (await bench.score(audio=CLIPS)).modalities == {"audio:0": "ok"}


def talk(*segments: Segment, left_out_s: float = 0.0) -> Talk:
    return Talk(Speech(SPEECH.samples, SPEECH.stretches, left_out_s), segments)


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (talk(Segment("one", 0.0, 3.0)), None),
        (talk(), None),
        (talk(Segment("one", 0.0, 2.2), Segment("", 2.2, 3.0)), None),
        (talk(Segment("one", 0.0, 1.0), Segment("", 1.0, 3.0)), "2 of 3 s of speech cannot be understood"),
        (talk(Segment("", 0.0, 30.0)), "3 of 3 s of speech cannot be understood"),
        (talk(Segment("one", 0.0, 3.0), left_out_s=20.0), "3 of 23 s of speech read"),
        (talk(Segment("one", 0.0, 3.0), left_out_s=0.5), None),
    ],
)
def test_what_was_not_read_is_told(said: Talk, note: str | None) -> None:
    assert said.describe_rest() == note


def test_characters_lead_to_the_segments_that_hold_them() -> None:
    said = talk(Segment("one two", 0.0, 2.0), Segment("", 2.0, 2.2), Segment("three", 2.2, 3.0))
    assert said.text == "one two three"
    assert said.times(4, 7) == [(5.0, 7.0)]
    assert said.times(8, 13) == [pytest.approx((9.2, 10.0))]
    assert len(said.times(6, 9)) == 2
    assert said.times(7, 8) == []


def test_a_segment_over_a_pause_is_told_without_the_pause() -> None:
    assert talk(Segment("one", 1.0, 2.5)).times(0, 3) == [(6.0, 7.0), (9.0, 9.5)]
