"""Feature extraction off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

SourceT = TypeVar("SourceT")
ResultT = TypeVar("ResultT")


class ExtractionCrashed(Exception):
    """A library failed in a way that is no `Exception`; names it."""


class Runner(Protocol):
    """Where extraction runs, so that the event loop does not wait for it."""

    async def __call__(self, extract: Callable[[SourceT], ResultT], source: SourceT) -> ResultT:
        """Return ``extract(source)``; raises what it raises, and `ExtractionCrashed`."""
        ...


async def run_here(extract: Callable[[SourceT], ResultT], source: SourceT) -> ResultT:
    """A `Runner` for what takes less than a hop to another thread and back: the event loop does wait for it."""
    return _guard(extract, source)


def on_threads(executor: Executor) -> Runner:
    """Run extraction on the executor's threads."""

    async def run(extract: Callable[[SourceT], ResultT], source: SourceT) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(executor, _guard, extract, source)

    return run


def _guard(extract: Callable[[SourceT], ResultT], source: SourceT) -> ResultT:
    """A panic of a library in Rust is no `Exception`: nobody would hear of it, and its post would wait for ever."""
    try:
        return extract(source)
    except Exception:
        raise
    except BaseException as error:
        raise ExtractionCrashed(type(error).__name__) from error
