"""Extraction off the event loop."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.modalities.extraction import ExtractionCrashed, on_threads


class Panic(BaseException):
    """As a library in Rust raises it."""


async def test_a_panic_on_a_thread_is_told() -> None:
    def panic(_: bytes) -> None:
        raise Panic

    with pytest.raises(ExtractionCrashed, match="Panic"):
        await on_threads(ThreadPoolExecutor(1))(panic, b"")


async def test_media_are_extracted_off_the_event_loop() -> None:
    def name_thread(_: str) -> str:
        return threading.current_thread().name

    run = on_threads(ThreadPoolExecutor(1, thread_name_prefix="extract"))
    assert (await run(name_thread, "x")).startswith("extract")
