"""What a chaos run found, as a structure, as JSON and as tables."""

from __future__ import annotations

from statistics import median

import msgspec
from rich.table import Table

from sluice.chaos.histories import HistoryRecord

MAX_RECOVERY_S = 30.0


class FaultRecord(msgspec.Struct, frozen=True):
    """One fault.

    Attributes
    ----------
    at_s : float
        When it began, in seconds since the run's start.
    lasted_s : float
        Until it was lifted.
    recovery_s : float or None
        From then until every post published before had its outcome; None if it never came to that.
    """

    kind: str
    at_s: float
    lasted_s: float
    recovery_s: float | None


class ScenarioRecord(msgspec.Struct, frozen=True):
    """One worker under a stuck head and a kill: the real one, or a control that has to lose posts."""

    worker: str
    must_lose: bool
    n_posts: int
    n_lost: int

    @property
    def is_as_expected(self) -> bool:
        """Whether posts were lost exactly where they had to be."""
        return (self.n_lost > 0) == self.must_lose


class ChaosReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run.

    Attributes
    ----------
    n_lost : int
        Posts that Kafka had acknowledged and that have neither verdict nor dead letter.
    n_duplicates : int
        Outcomes beyond the first of a post: allowed, a crash causes them.
    n_different : int
        Posts with two verdicts that differ in more than their times, verdicts with a late part aside.
    different_fields : tuple of str
        In which fields, over all of them.
    n_late : int
        Posts with a part that a deadline cut off, those apart that were stuck on purpose.
    n_unexpected_dead_letters : int
        Dead letters of messages that were posts.
    histories : tuple of HistoryRecord
        What each worker remembers of authors, beside a recount; none without the extra ``history``.
    peak_memory_mb : dict of str to float
        By role, the largest process with its children.
    """

    minutes: float
    seed: int
    n_workers: int
    n_posts: int
    n_lost: int
    n_duplicates: int
    n_different: int
    different_fields: tuple[str, ...]
    n_late: int
    n_dead_letters: int
    n_unexpected_dead_letters: int
    faults: tuple[FaultRecord, ...]
    scenarios: tuple[ScenarioRecord, ...]
    peak_memory_mb: dict[str, float]
    histories: tuple[HistoryRecord, ...] = ()

    @property
    def problems(self) -> list[str]:
        """What must not be, one line each; empty for a run that passed."""
        found = []
        if self.n_lost:
            found.append(f"{self.n_lost} posts were lost")
        if self.n_different:
            found.append(f"{self.n_different} posts have verdicts that differ in {', '.join(self.different_fields)}")
        if self.n_unexpected_dead_letters:
            found.append(f"{self.n_unexpected_dead_letters} posts became dead letters")
        found += [_describe_history(history) for history in self.histories if not history.is_as_counted]
        slow = [fault for fault in self.faults if fault.recovery_s is None or fault.recovery_s > MAX_RECOVERY_S]
        found += [f"{fault.kind} at {fault.at_s:.0f} s: no recovery within {MAX_RECOVERY_S:.0f} s" for fault in slow]
        found += [_describe(scenario) for scenario in self.scenarios if not scenario.is_as_expected]
        return found

    def to_json(self) -> bytes:
        """The report as one JSON object, with `problems`."""
        return msgspec.json.encode({**msgspec.structs.asdict(self), "problems": self.problems})


def _describe_history(history: HistoryRecord) -> str:
    return f"{history.worker}: {history.n_different} of what it remembers of authors is not what a recount says"


def _describe(scenario: ScenarioRecord) -> str:
    if scenario.must_lose:
        return f"the control {scenario.worker!r} lost nothing: the run could not have seen a loss"
    return f"{scenario.worker}: {scenario.n_lost} posts lost behind a stuck head"


def make_tables(report: ChaosReport) -> list[Table]:
    """Tables for people: the count, the faults by kind, the controls."""
    return [_make_count_table(report), _make_fault_table(report), _make_scenario_table(report)]


def _make_count_table(report: ChaosReport) -> Table:
    table = Table("posts", "faults", "lost", "different", "duplicates", "late", "dead letters", "peak memory")
    memory = ", ".join(f"{role} {size:.0f} MB" for role, size in report.peak_memory_mb.items())
    counts = (report.n_posts, len(report.faults), report.n_lost, report.n_different, report.n_duplicates, report.n_late)
    table.add_row(*map(str, counts), str(report.n_dead_letters), memory)
    return table


def _make_fault_table(report: ChaosReport) -> Table:
    table = Table("fault", "times", "median recovery", "worst recovery")
    for kind in sorted({fault.kind for fault in report.faults}):
        times = [fault.recovery_s for fault in report.faults if fault.kind == kind]
        known = [seconds for seconds in times if seconds is not None]
        middle = f"{median(known):.1f} s" if known else "never"
        table.add_row(kind, str(len(times)), middle, f"{max(known):.1f} s" if len(known) == len(times) else "never")
    return table


def _make_scenario_table(report: ChaosReport) -> Table:
    table = Table("worker", "posts", "lost", "has to lose")
    for scenario in report.scenarios:
        expected = "yes" if scenario.must_lose else "no"
        table.add_row(scenario.worker, str(scenario.n_posts), str(scenario.n_lost), expected)
    return table
