"""Draws every panel of the Grafana dashboard from a Prometheus, without Grafana: a picture for reports and reviews.

::

    python ops/dashboard_picture.py --prometheus http://127.0.0.1:9090 --out dashboard.png --minutes 10
"""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no display is needed
from matplotlib import pyplot
from matplotlib.axes import Axes

DASHBOARD = Path(__file__).resolve().parent / "grafana" / "dashboards" / "sluice-latency.json"
RATE_INTERVAL = "1m"
"""What stands in for Grafana's ``$__rate_interval``."""
COLUMNS = 3
PANEL_INCHES = (5.4, 2.9)
HEADROOM = 1.3
"""How much taller a plot is than its highest line: room for the legend."""
UNITS = {
    "s": "seconds",
    "ops": "per second",
    "reqps": "per second",
    "percentunit": "share",
    "bytes": "bytes",
    "short": "",
}


class PrometheusError(Exception):
    """Prometheus refused a query or could not be reached."""


@dataclass(frozen=True)
class Query:
    """One expression of a panel.

    Attributes
    ----------
    legend : str
        Grafana's format: ``{{label}}`` stands for the label's value.
    """

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel: a title and what it plots.

    Attributes
    ----------
    marks : tuple of float
        Heights of the horizontal lines: the objectives.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    stacked: bool
    marks: tuple[float, ...]


@dataclass(frozen=True)
class Series:
    """A legend, and values over time.

    Attributes
    ----------
    minutes : list of float
        Before the end of the range, so at most 0.
    values : list of float
        NaN where Prometheus divided nothing by nothing.
    """

    legend: str
    minutes: list[float]
    values: list[float]


@dataclass(frozen=True)
class Range:
    """A range of time, in seconds since the epoch."""

    start_s: float
    end_s: float
    step_s: float


def read_panels(dashboard: Path = DASHBOARD) -> list[Panel]:
    """Return every panel with queries, in the dashboard's order."""
    content = json.loads(dashboard.read_text("utf-8"))
    return [_read_panel(panel) for panel in content["panels"] if panel.get("targets")]


def _read_panel(panel: dict[str, Any]) -> Panel:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    steps = defaults.get("thresholds", {}).get("steps", []) if "thresholdsStyle" in custom else []
    return Panel(
        title=panel["title"],
        unit=UNITS[defaults["unit"]],
        queries=tuple(_read_query(target) for target in panel["targets"]),
        stacked="stacking" in custom,
        marks=tuple(step["value"] for step in steps if step["value"] is not None),
    )


def _read_query(target: dict[str, Any]) -> Query:
    return Query(target["expr"].replace("$__rate_interval", RATE_INTERVAL), target["legendFormat"])


def fetch_series(prometheus: str, query: Query, over: Range) -> list[Series]:
    """Evaluate a query over a range.

    Raises
    ------
    PrometheusError
        If Prometheus cannot be reached or refuses the query.
    """
    parameters = {"query": query.expression, "start": over.start_s, "end": over.end_s, "step": over.step_s}
    url = f"{prometheus.rstrip('/')}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            results = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise PrometheusError(f"{query.expression}: {error.read().decode('utf-8', 'replace')}") from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise PrometheusError(f"cannot reach {prometheus}: {error}") from error
    return [_to_series(result, query, over.end_s) for result in results]


def _to_series(result: dict[str, Any], query: Query, end_s: float) -> Series:
    minutes = [(at_s - end_s) / 60 for at_s, _ in result["values"]]
    values = [float(value) for _, value in result["values"]]
    return Series(_fill_legend(query.legend, result["metric"]), minutes, values)


def _fill_legend(legend: str, labels: dict[str, str]) -> str:
    for label, value in labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return "none" if "{{" in legend else legend  # the `or vector(0)` of a query without events has no labels


def draw(panels: list[Panel], series: list[list[Series]], minutes: float, title: str, out: Path) -> None:
    """Draw one plot per panel into a picture.

    Parameters
    ----------
    series : list of list of Series
        What to plot, one list for each panel.
    minutes : float
        How long the range is.
    out : Path
        The file; its suffix (png, svg, pdf) chooses the format.
    """
    n_rows = math.ceil(len(panels) / COLUMNS)
    size = (PANEL_INCHES[0] * COLUMNS, PANEL_INCHES[1] * n_rows + 0.5)
    figure, grid = pyplot.subplots(n_rows, COLUMNS, figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(title)
    for axes, panel, lines in zip(grid.flat, panels, series, strict=False):
        axes.set_xlim(-minutes, 0)
        _draw_panel(axes, panel, lines)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _draw_panel(axes: Axes, panel: Panel, lines: list[Series]) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_ylabel(panel.unit, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if not lines:
        axes.text(0.5, 0.5, "no data", ha="center", va="center", transform=axes.transAxes)
        return
    _draw_lines(axes, lines, panel.stacked)
    for height in panel.marks:
        axes.axhline(height, color="tab:red", linewidth=0.8, linestyle="--")
    axes.set_ylim(0, HEADROOM * axes.get_ylim()[1])
    axes.legend(fontsize=6, loc="upper left", ncols=3, framealpha=0.5)


def _draw_lines(axes: Axes, lines: list[Series], stacked: bool) -> None:
    if stacked:
        minutes = sorted({at for line in lines for at in line.minutes})
        heights = [_align(line, minutes) for line in lines]
        axes.stackplot(minutes, heights, labels=[line.legend for line in lines], alpha=0.7)
        return
    for line in lines:
        axes.plot(line.minutes, line.values, label=line.legend, linewidth=1.2)


def _align(line: Series, minutes: list[float]) -> list[float]:
    """Put a line on the times of all; where it has no number it adds nothing to the stack."""
    known = {at: value for at, value in zip(line.minutes, line.values, strict=True) if math.isfinite(value)}
    return [known.get(at, 0.0) for at in minutes]


def _fetch_panels(prometheus: str, panels: list[Panel], over: Range) -> Iterator[list[Series]]:
    for panel in panels:
        yield [one for query in panel.queries for one in fetch_series(prometheus, query, over)]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw the Grafana dashboard's panels from a Prometheus.")
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.png")
    parser.add_argument("--dashboard", type=Path, default=DASHBOARD, metavar="FILE.json")
    parser.add_argument("--minutes", type=float, default=10.0, help="how far back, until now (default: 10)")
    return parser.parse_args()


def main() -> None:
    """Draw the dashboard over the last minutes."""
    arguments = _parse_arguments()
    length_s = arguments.minutes * 60
    end_s = time.time()
    over = Range(end_s - length_s, end_s, step_s=max(1.0, round(length_s / 240)))
    panels = read_panels(arguments.dashboard)
    try:
        series = list(_fetch_panels(arguments.prometheus, panels, over))
    except PrometheusError as error:
        raise SystemExit(f"dashboard_picture: {error}") from error
    title = f"Sluice, {datetime.fromtimestamp(end_s, UTC):%Y-%m-%d %H:%M} UTC; minutes before it"
    draw(panels, series, arguments.minutes, title, arguments.out)


if __name__ == "__main__":
    main()
