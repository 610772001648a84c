"""Feature extraction off the event loop: media one by one on threads, short texts of many posts in one hop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from sluice.features import Features, TextRow
from sluice.microbatch import MicroBatcher
from sluice.schema import Modality

Extract = Callable[[Any], Awaitable[Features[Any]]]
Extractors = Mapping[Modality, Extract]
"""Per modality: the text, or the media's bytes → features. May raise `PartFailed`."""

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
        self._extract_batch = _guarded(extract_batch)
        self._executor = executor
        self._batcher = MicroBatcher(self._run, _choose)

    async def extract(self, text: str) -> Features[TextRow]:
        """Features of one text."""
        return (await (self._run([text]) if len(text) > SHORT_CHARACTERS else self._batcher.run(text)))[0]

    async def _run(self, texts: list[str]) -> list[Features[TextRow]]:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._extract_batch, texts)


def _choose(texts: Sequence[str]) -> range:
    return range(min(len(texts), MAX_TOGETHER))


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
