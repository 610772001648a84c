"""What users of the endpoints think the scores should be: kept in a file of JSON lines, if the operator names one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from sluice.api.problems import RequestProblem


class Feedback:
    """Keeps suggestions.

    Parameters
    ----------
    file : Path or None
        One JSON object a line is appended; None refuses every suggestion, so that none is lost in silence.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = asyncio.Lock()

    async def keep(self, suggestion: msgspec.Struct) -> None:
        """Append a suggestion; raises `RequestProblem` where suggestions are not kept."""
        if self._file is None:
            raise RequestProblem(501, "not_kept", "suggestions are not kept here (serve --feedback FILE)")
        line = msgspec.json.encode(suggestion) + b"\n"
        async with self._lock:
            await asyncio.to_thread(_append, self._file, line)


def _append(file: Path, line: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(line)
