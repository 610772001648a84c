"""Extraction off the event loop, short texts together."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.features import Features, TextRow
from sluice.modalities.extraction import MAX_TOGETHER, SHORT_CHARACTERS, ExtractionCrashed, TextBatches, on_threads
from tests.engine.test_pipeline import extract_text


class Panic(BaseException):
    """As a library in Rust raises it."""


class Extractor:
    """Extracts texts on a thread that waits for `gate`; remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.texts = TextBatches(self.extract_batch, ThreadPoolExecutor(1))

    def extract_batch(self, texts: list[str]) -> list[Features[TextRow]]:
        self.batches.append(texts)
        self.gate.wait(30)
        if "bad" in texts:
            raise ValueError("bad")
        if "panic" in texts:
            raise Panic
        return [extract_text(text) for text in texts]


async def test_each_text_gets_its_own_features_in_few_batches() -> None:
    extractor = Extractor()
    texts = ["word " * n for n in range(1, 200)]
    waiting = [asyncio.create_task(extractor.texts.extract(text)) for text in texts]
    extractor.gate.set()
    features = await asyncio.gather(*waiting)
    assert [len(one.rows[0].input_ids) for one in features] == [n + 1 for n in range(1, 200)]
    assert [len(batch) for batch in extractor.batches] == [MAX_TOGETHER] * 3 + [199 - 3 * MAX_TOGETHER]


async def test_a_long_text_goes_alone() -> None:
    extractor = Extractor()
    extractor.gate.set()
    long = "word " * SHORT_CHARACTERS
    await asyncio.gather(*(extractor.texts.extract(text) for text in ("short", long)))
    assert sorted(map(len, extractor.batches)) == [1, 1]


async def test_a_fault_is_told_and_the_next_texts_are_extracted() -> None:
    extractor = Extractor()
    extractor.gate.set()
    with pytest.raises(ValueError, match="bad"):
        await extractor.texts.extract("bad")
    assert (await extractor.texts.extract("good")).rows


@pytest.mark.parametrize(("text", "error"), [("bad", ValueError), ("panic", ExtractionCrashed)])
async def test_a_text_that_cannot_be_read_takes_no_neighbour_down(text: str, error: type[Exception]) -> None:
    extractor = Extractor()
    texts = ["first", "one", text, "three"]
    waiting = [asyncio.create_task(extractor.texts.extract(each)) for each in texts]
    extractor.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Features, Features, error, Features]


async def test_a_panic_on_a_thread_is_told() -> None:
    def panic(_: bytes) -> Features[TextRow]:
        raise Panic

    with pytest.raises(ExtractionCrashed, match="Panic"):
        await on_threads(panic, ThreadPoolExecutor(1))(b"")


async def test_a_caller_that_gave_up_does_not_disturb_the_others() -> None:
    extractor = Extractor()
    gone, stays = (asyncio.create_task(extractor.texts.extract(text)) for text in ("gone", "stays"))
    while not extractor.batches:
        await asyncio.sleep(0)
    gone.cancel()
    extractor.gate.set()
    assert (await stays).rows


async def test_media_are_extracted_off_the_event_loop() -> None:
    def note_thread(_: str) -> Features[TextRow]:
        names.append(threading.current_thread().name)
        return extract_text("a")

    names: list[str] = []
    await on_threads(note_thread, ThreadPoolExecutor(1, thread_name_prefix="extract"))("x")
    assert names[0].startswith("extract")
