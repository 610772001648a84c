"""What became of each line, and whether every line got exactly one outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from sluice.client import Outcome, Settled
from sluice.errors import PostTooLarge
from sluice.schema import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one line.

    Attributes
    ----------
    line : int
        The line's number, from 1.
    verdict : Verdict or None
        None for a dead letter.
    reason : str
        Why it is a dead letter; empty for a verdict.
    as_json : bytes
        The verdict as it came, or ``{"dead_letter": …}``.
    elapsed_s : float
        From publishing it to reading its outcome.
    """

    line: int
    verdict: Verdict | None
    reason: str
    as_json: bytes
    elapsed_s: float


@dataclass(slots=True)
class Results:
    """Collects the outcomes of numbered lines and hands them on in the order of the lines."""

    lines: list[int] = field(default_factory=list)
    """Numbers of the lines that were sent, in that order."""
    found: dict[int, Result] = field(default_factory=dict)
    """By place in `lines`."""
    problems: list[str] = field(default_factory=list)
    _n_released: int = 0

    def take(self, settled: Settled) -> None:
        """Note an outcome; a second one of the same line, or none to come, is a problem."""
        line = self.lines[settled.index]
        if settled.repeated:
            self.problems.append(f"line {line}: a second outcome")
        elif settled.outcome is not None:
            self._take_outcome(settled.index, settled.outcome, settled.elapsed_s)
        elif isinstance(settled.error, PostTooLarge):
            self._keep_dead_letter(settled.index, {"reason": "too_large", "detail": str(settled.error), "key": None,
                                                   "source": None, "published": False}, settled.elapsed_s)  # fmt: skip
        else:
            self.problems.append(f"line {line}: {settled.error}")

    def _take_outcome(self, index: int, outcome: Outcome, elapsed_s: float) -> None:
        if outcome.kind == "dead_letter":
            self._keep_dead_letter(index, dict(outcome.dead_letter()), elapsed_s)
            return
        try:
            verdict = outcome.verdict()
        except msgspec.DecodeError as error:
            self.problems.append(f"line {self.lines[index]}: what came is no verdict: {error}")
        else:
            self.found[index] = Result(self.lines[index], verdict, "", outcome.verdict_json(), elapsed_s)

    def _keep_dead_letter(self, index: int, letter: dict[str, object], elapsed_s: float) -> None:
        line = self.lines[index]
        as_json = write_dead_letter({**letter, "line": line})
        self.found[index] = Result(line, None, str(letter["reason"]), as_json, elapsed_s)

    def release(self) -> Iterator[Result]:
        """The results that are next in the order of the lines."""
        while self._n_released in self.found:
            self._n_released += 1
            yield self.found[self._n_released - 1]

    def ordered(self) -> list[Result]:
        """All results so far, in the order of the lines."""
        return [self.found[index] for index in sorted(self.found)]

    def find_missing(self) -> list[int]:
        """The numbers of the lines without an outcome."""
        return [line for index, line in enumerate(self.lines) if index not in self.found]

    def verdicts(self) -> list[Verdict]:
        """The verdicts among the results."""
        return [result.verdict for result in self.ordered() if result.verdict is not None]


def write_dead_letter(letter: Mapping[str, object]) -> bytes:
    """A dead letter as a line of JSON."""
    return json.dumps({"dead_letter": letter}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
