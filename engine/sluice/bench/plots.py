"""The run as three pictures: latency against load, throughput against batch, CPU by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluice.bench.measure import GENERATOR
from sluice.bench.report import BenchReport

SIZE_IN = (9.0, 5.0)
DPI = 120


def draw(report: BenchReport, folder: Path) -> Iterator[Path]:
    """Write those for which there are figures; yields each file."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(row.latencies for row in report.rows):
        yield _save(folder / "latency.png", report, _draw_latency)
    if report.curves:
        yield _save(folder / "batch.png", report, _draw_batches)
    if any(row.rounds for row in report.rows):
        yield _save(folder / "cpu.png", report, _draw_cpu)


def _save(file: Path, report: BenchReport, fill: object) -> Path:
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    axes = figure.add_subplot()
    fill(axes, report)  # type: ignore[operator]
    figure.savefig(file, dpi=DPI)
    return file


def _draw_latency(axes: Axes, report: BenchReport) -> None:
    for row in report.rows:
        loaded = [each for each in row.latencies if each.load and math.isfinite(each.p99_ms)]
        if not loaded:
            continue
        rates = [each.rate_per_s for each in loaded]
        (line,) = axes.plot(rates, [each.p99_ms for each in loaded], marker="o", label=f"{row.name} p99")
        axes.plot(rates, [each.p50_ms for each in loaded], marker=".", linestyle=":", color=line.get_color())
    axes.set(xlabel="posts per second", ylabel="milliseconds (dotted: p50)", yscale="log", title="Latency against load")
    axes.legend(fontsize="small")


def _draw_batches(axes: Axes, report: BenchReport) -> None:
    for row, curves in report.curves.items():
        for model, rates in curves.items():
            axes.plot(list(rates), list(rates.values()), marker="o", label=f"{model}, {row}")
    axes.set(xlabel="rows a request", ylabel="rows per second", xscale="log", title="Throughput against batch")
    axes.set_xscale("log", base=2)
    axes.legend(fontsize="small")


def _draw_cpu(axes: Axes, report: BenchReport) -> None:
    rows = [row for row in report.rows if row.rounds][::-1]
    roles = dict.fromkeys(role for row in rows for role in row.cpu_ms)
    names = [str(row.name) for row in rows]
    left = [0.0] * len(rows)
    for role in roles:
        widths = [row.cpu_ms.get(role, 0.0) for row in rows]
        hatch = "//" if role == GENERATOR else None
        axes.barh(names, widths, left=left, label=role, hatch=hatch)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlabel="milliseconds of CPU per post", title="CPU by stage")
    axes.legend(fontsize="small")
