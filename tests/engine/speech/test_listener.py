"""Speech through the real transcriber: what is heard, and what happens when it fails or nobody waits for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from sluice.config import SpeechConfig
from sluice.speech.listener import Listener, SpeechUnread
from sluice.speech.weights import prepare_weights
from tests.components import require_module
from tests.engine.speech.spoken import THREAT, TRAIN, speak

CONFIG = SpeechConfig(enabled=True, wall_s=600.0)
"""The wall is for a machine that does much else."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_module("faster_whisper")
    return prepare_weights(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
async def listener(folder: Path) -> AsyncIterator[Listener]:
    async with Listener(folder, CONFIG) as listener:
        yield listener


def samples(text: str) -> npt.NDArray[np.int16]:
    return (speak(text) * 32767).astype(np.int16)


async def hear(listener: Listener, text: str) -> str:
    return " ".join(segment.text for segment in await listener.transcribe(samples(text)))


async def test_sentences_are_heard_each_for_itself(listener: Listener) -> None:
    pid = listener.pid
    segments, second = await asyncio.gather(listener.transcribe(samples(THREAT)), hear(listener, TRAIN))
    assert "kill you tomorrow" in " ".join(segment.text for segment in segments)
    assert all(0 <= each.start_s <= each.end_s <= len(speak(THREAT)) / 16_000 + 0.5 for each in segments)
    assert "train to Hamburg" in second
    assert listener.pid == pid


async def test_a_transcriber_that_dies_fails_its_own_clip_alone(listener: Listener) -> None:
    pid = listener.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SpeechUnread, match="speech is not read: it crashed the transcriber"):
        await listener.transcribe(samples(TRAIN))
    assert "Hamburg" in await hear(listener, TRAIN)
    assert listener.pid not in (None, pid)


async def test_whoever_stops_waiting_ends_the_transcription(listener: Listener) -> None:
    pid = listener.pid
    assert pid is not None
    waiting = asyncio.create_task(listener.transcribe(np.tile(samples(TRAIN), 6)))
    while listener.pid is not None:  # until the transcriber was taken for it
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not psutil.pid_exists(pid)
    assert "Hamburg" in await hear(listener, TRAIN)


async def test_what_takes_too_long_is_ended(folder: Path) -> None:
    async with Listener(folder, replace(CONFIG, wall_s=0.01)) as listener:
        pid = listener.pid
        with pytest.raises(SpeechUnread, match="it takes too long"):
            await listener.transcribe(np.tile(samples(TRAIN), 6))
        assert pid is not None
        assert not psutil.pid_exists(pid)


async def test_a_folder_without_weights_is_told_at_the_start(tmp_path: Path) -> None:
    require_module("faster_whisper")
    with pytest.raises(SpeechUnread, match="does not start"):
        await Listener(tmp_path, CONFIG).__aenter__()


async def test_nothing_is_left_behind(folder: Path) -> None:
    async with Listener(folder, CONFIG) as listener:
        pid = listener.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)
