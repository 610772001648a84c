"""Feature extraction off the event loop: media one by one on threads, short texts of many posts in one hop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from sluice.features import Features, TextRow
from sluice.schema import Modality

Extract = Callable[[Any], Awaitable[Features[Any]]]
Extractors = Mapping[Modality, Extract]
"""Per modality: the text, or the media's bytes → features. May raise `PartFailed`."""

_Waiting = tuple[str, asyncio.Future[Features[TextRow]]]

T = TypeVar("T")

SHORT_CHARACTERS = 2_000
"""Longer texts go alone, so that nobody waits for them."""
MAX_TOGETHER = 64


class ExtractionCrashed(Exception):
    """A library failed in a way that is no `Exception`; names it."""


def on_threads(
    extract: Callable[[Any], Features[Any]], executor: Executor
) -> Callable[[Any], Awaitable[Features[Any]]]:
    """Run `extract` on the executor's threads."""

    async def run(source: Any) -> Features[Any]:
        return await asyncio.get_running_loop().run_in_executor(executor, _guarded(extract), source)

    return run


class TextBatches:
    """Extracts texts in batches of whatever came while the batch before was under way; a text on its own goes at once.

    A hop to a thread and back costs more than a short text's tokens.

    Parameters
    ----------
    extract_batch : callable
        Texts → features, in order.
    """

    def __init__(self, extract_batch: Callable[[list[str]], list[Features[TextRow]]], executor: Executor) -> None:
        self._extract_batch = extract_batch
        self._executor = executor
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    async def extract(self, text: str) -> Features[TextRow]:
        """Features of one text."""
        if len(text) > SHORT_CHARACTERS:
            return (await self._run([text]))[0]
        done: asyncio.Future[Features[TextRow]] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            await self._extract_together(batch)

    async def _extract_together(self, batch: list[_Waiting]) -> None:
        """One text that cannot be read must not take its neighbours down: each is then tried by itself."""
        try:
            extracted = await self._run([text for text, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for alone in batch:
                await self._extract_together([alone])
        else:
            for (_, done), features in zip(batch, extracted, strict=True):
                if not done.done():
                    done.set_result(features)

    async def _run(self, texts: list[str]) -> list[Features[TextRow]]:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _guarded(self._extract_batch), texts)


def _fail(waiting: _Waiting, error: Exception) -> None:
    _, done = waiting
    if not done.done():
        done.set_exception(error)


def _guarded(extract: Callable[[Any], T]) -> Callable[[Any], T]:
    """A panic of a library in Rust is no `Exception`: nobody would hear of it, and its post would wait for ever."""

    def run(source: Any) -> T:
        try:
            return extract(source)
        except Exception:
            raise
        except BaseException as error:
            raise ExtractionCrashed(type(error).__name__) from error

    return run
