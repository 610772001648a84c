"""Spoken sentences through the real models: heard, read, and placed in time."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry

from sluice.client.inline_media import encode_inline
from sluice.features import SAMPLE_RATE_HZ
from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import AudioEvidence, Media, Post, Verdict
from sluice.settings import load_settings
from tests.components import require_module
from tests.engine.speech.spoken import THREAT, TRAIN, speak

pytestmark = pytest.mark.integration

PATIENCE_MS = 300_000
"""A machine that does much else transcribes slowly."""


@pytest.fixture
async def pipeline(triton_server: TritonServer) -> AsyncIterator[Pipeline]:
    require_module("faster_whisper")
    environ = {"SLUICE_TRITON": triton_server.address, "SLUICE_DECODERS": "1", "SLUICE_SPEECH": "1"}
    patience = {"SLUICE_MAX_DEADLINE_MS": str(PATIENCE_MS), "SLUICE_SESSION_TIMEOUT_S": "600"}
    settings = load_settings({**environ, **patience})
    async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
        yield pipeline


async def score(pipeline: Pipeline, sentence: str) -> Verdict:
    """Of a clip with two seconds of silence before a sentence."""
    file = io.BytesIO()
    silence = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    soundfile.write(file, np.concatenate([silence, speak(sentence)]), SAMPLE_RATE_HZ, format="WAV")
    clip = Media(encode_inline(file.getvalue(), "audio/wav"))
    return await pipeline.score(Post(id="p", audio=(clip,), deadline_ms=PATIENCE_MS))


async def test_a_clip_is_judged_by_what_is_said_in_it(pipeline: Pipeline) -> None:
    threat, train = await score(pipeline, THREAT), await score(pipeline, TRAIN)
    assert threat.modalities == train.modalities == {"audio:0": "ok"}
    assert train.decision == "allow", train.reasons
    assert threat.decision in ("review", "block")
    assert threat.language is not None
    assert threat.language.code == "en"
    times = [item for item in threat.reasons[0].evidence if isinstance(item, AudioEvidence)]
    assert times
    assert all(1.5 < item.start_s < item.end_s < 2.5 + len(speak(THREAT)) / SAMPLE_RATE_HZ for item in times)
    assert set(threat.reasons[0].contributions) == {"audio:0"}
