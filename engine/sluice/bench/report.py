"""What a run came to: medians over its rounds, as tables and as JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.table import Table

from sluice.bench.agreement import Agreement
from sluice.bench.measure import GENERATOR, Latency, Round
from sluice.bench.names import DESCRIPTIONS, RowName
from sluice.bench.soak import Slope

STRICT = (RowName.sluice_bare, RowName.faust, RowName.aiokafka, RowName.quix, RowName.fastapi)
"""Rows that have to give the same answers: the same weights, and everything is scored."""


@dataclass
class RowReport:
    """One row: its rounds and its latencies.

    Attributes
    ----------
    agreement : Agreement or None
        With the first row that is one of `STRICT`.
    """

    name: RowName
    rounds: list[Round] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    agreement: Agreement | None = None
    failure: str | None = None

    @property
    def posts_per_s(self) -> float:
        """Median over the rounds; NaN if none was measured."""
        return statistics.median(one.posts_per_s for one in self.rounds) if self.rounds else math.nan

    @property
    def cpu_ms(self) -> dict[str, float]:
        """Median milliseconds of CPU per post, by role."""
        roles = dict.fromkeys(role for one in self.rounds for role in one.cpu_ms)
        return {role: statistics.median(one.cpu_ms.get(role, 0.0) for one in self.rounds) for role in roles}

    @property
    def peak_mb(self) -> dict[str, float]:
        """Most resident memory of any round, by role."""
        roles = dict.fromkeys(role for one in self.rounds for role in one.peak_mb)
        return {role: max(one.peak_mb.get(role, 0.0) for one in self.rounds) for role in roles}

    @property
    def generator_cores(self) -> float:
        """Median share of the machine that making the load took, in cores."""
        return statistics.median(one.generator_cores for one in self.rounds) if self.rounds else math.nan


@dataclass
class BenchReport:
    """Everything.

    Attributes
    ----------
    setting : mapping of str to object
        Machine, versions, mix, seed, seconds, rounds: what a figure depends on.
    curves : mapping
        By row of a limit, encoder and batch size: rows per second.
    slopes : mapping of str to Slope
        By role, of ``--soak``.
    """

    setting: Mapping[str, object]
    rows: list[RowReport]
    curves: dict[RowName, dict[str, dict[int, float]]] = field(default_factory=dict)
    slopes: dict[str, Slope] = field(default_factory=dict)

    @property
    def limit_per_s(self) -> float:
        """Posts per second of the encoders alone through Triton; NaN where that was not measured."""
        return next((row.posts_per_s for row in self.rows if row.name is RowName.limit_triton), math.nan)

    @property
    def problems(self) -> list[str]:
        """What makes the figures doubtful: posts without outcome, other answers, a row that did not run."""
        return [problem for row in self.rows for problem in _problems_of(row)]

    def to_json(self) -> bytes:
        """All of it, answers left out; what is not a number is null."""
        rows = [_row_to_json(row) for row in self.rows]
        slopes = {role: asdict(slope) for role, slope in self.slopes.items()}
        whole = {"setting": self.setting, "rows": rows, "curves": self.curves, "memory": slopes}
        return json.dumps(_finite({**whole, "problems": self.problems}), ensure_ascii=False).encode()


def _problems_of(row: RowReport) -> Iterator[str]:
    if row.failure:
        yield f"{row.name}: {row.failure}"
    if lost := sum(one.n_lost for one in row.rounds):
        yield f"{row.name}: {lost} posts have no outcome"
    if dead := sum(one.n_dead for one in row.rounds):
        yield f"{row.name}: {dead} posts were not scored"
    if late := sum(one.n_late for one in row.rounds):
        yield f"{row.name}: {late} posts were late, and count as if all of them had been scored"
    found = row.agreement
    if found and row.name in STRICT and found.n_same < found.n_compared:
        yield f"{row.name}: {found.n_compared - found.n_same} of {found.n_compared} answers are others"


def _row_to_json(row: RowReport) -> dict[str, object]:
    return {
        "row": row.name,
        "description": DESCRIPTIONS[row.name],
        "posts_per_s": row.posts_per_s,
        "rounds": [one.posts_per_s for one in row.rounds],
        "cpu_ms_per_post": row.cpu_ms,
        "peak_mb": row.peak_mb,
        "generator_cores": row.generator_cores,
        "latency": [asdict(each) for each in row.latencies],
        "agreement": asdict(row.agreement) if row.agreement else None,
        "failure": row.failure,
    }


def _finite(value: object) -> object:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def make_tables(report: BenchReport) -> Iterator[Table]:
    """Throughput, latency, and what was found beside them."""
    yield _make_throughput(report)
    if any(row.latencies for row in report.rows):
        yield _make_latency(report.rows)
    if report.slopes:
        yield _make_memory(report.slopes)


def _make_throughput(report: BenchReport) -> Table:
    columns = ("row", "posts/s", "rounds", "of the limit", "CPU ms a post", "peak MB", "generator", "same answers")
    table = Table(*columns, title=f"Throughput, {report.setting.get('mix')}", title_justify="left")
    for row in report.rows:
        table.add_row(
            row.name,
            _number(row.posts_per_s),
            " ".join(_number(one.posts_per_s) for one in row.rounds),
            _ratio(row.posts_per_s, report.limit_per_s),
            _by_role({role: ms for role, ms in row.cpu_ms.items() if role != GENERATOR}, 2),
            _by_role(row.peak_mb, 0),
            "" if row.name.startswith("limit") or not row.rounds else f"{row.generator_cores:.2f} cores",
            f"{row.agreement.n_same}/{row.agreement.n_compared}" if row.agreement else "",
        )
    return table


def _make_latency(rows: Sequence[RowReport]) -> Table:
    table = Table("row", "load", "posts/s", "p50 ms", "p95 ms", "p99 ms", "p99 / idle p50", "posts", "generator",
                  title="Latency, from when a post was to be sent until its outcome was read",
                  title_justify="left")  # fmt: skip
    for row in rows:
        idle = next((each.p50_ms for each in row.latencies if each.load == 0.0), math.nan)
        for each in row.latencies:
            load = f"{each.load:.0%}" if each.load else "idle"
            shown = [_number(ms) for ms in (each.p50_ms, each.p95_ms, each.p99_ms)]
            rate = _number(each.rate_per_s) if each.load else "one by one"
            multiple = f"{each.p99_ms / idle:.1f}" if math.isfinite(idle) else ""
            cores = f"{each.generator_cores:.2f} cores"
            table.add_row(row.name, load, rate, *shown, multiple, str(each.n_posts), cores)
    return table


def _make_memory(slopes: Mapping[str, Slope]) -> Table:
    table = Table("process", "MB an hour", "from MB", "to MB", title="Memory at full load", title_justify="left")
    for role, slope in slopes.items():
        table.add_row(role, f"{slope.mb_per_hour:+.1f}", f"{slope.start_mb:.1f}", f"{slope.end_mb:.1f}")
    return table


def _by_role(values: Mapping[str, float], digits: int) -> str:
    shown = ((role, f"{value:.{digits}f}") for role, value in values.items())
    return ", ".join(f"{role} {value}" for role, value in shown if float(value))


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float, whole: float) -> str:
    return f"{value / whole:.2f}" if math.isfinite(value / whole) else ""
