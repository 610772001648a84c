"""Tables, JSON and plots of a made-up run."""

import json
import math

import pytest
from rich.console import Console

from sluice.bench.agreement import Agreement
from sluice.bench.measure import Latency, Round, summarise
from sluice.bench.names import RowName
from sluice.bench.plots import draw
from sluice.bench.report import BenchReport, RowReport, make_tables
from sluice.bench.soak import Slope
from sluice.bench.trace import Trace
from sluice.errors import StackError


def a_round(rate, **fields):
    return Round(rate, {"worker": 1.1, "triton": 2.0, "generator": 0.2}, {"worker": 300.0}, 0.1, **fields)


def a_latency(load, p99=100.0):
    return Latency(load, 100 * load, 20.0, 50.0, p99, 1000, 0.1)


@pytest.fixture
def report():
    limit = RowReport(RowName.limit_triton, [a_round(500.0)])
    sluice = RowReport(RowName.sluice_bare, [a_round(300.0), a_round(100.0), a_round(250.0)])
    sluice.latencies = [a_latency(0.0), a_latency(0.5), a_latency(0.9, math.inf)]
    sluice.agreement = Agreement(400, 400, 0.0)
    curves = {RowName.limit_triton: {"text_encoder": {1: 200.0, 32: 500.0}}}
    return BenchReport({"mix": "text"}, [limit, sluice], curves, {"worker": Slope(1.5, 300.0, 300.3)})


def test_figures_are_medians(report):
    row = report.rows[1]
    assert row.posts_per_s == 250
    assert row.cpu_ms["worker"] == 1.1
    assert row.peak_mb == {"worker": 300.0}


def test_the_tables_say_everything(report):
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in make_tables(report):
        console.print(table)
    shown = console.export_text()
    for expected in ("0.50", "300 100 250", "400/400", "p99 / idle p50", "5.0", "–", "+1.5", "0.10 cores"):
        assert expected in shown


def test_json_is_json_even_of_what_never_came(report):
    read = json.loads(report.to_json())
    assert [row["posts_per_s"] for row in read["rows"]] == [500, 250]
    assert read["rows"][1]["latency"][2]["p99_ms"] is None
    assert read["curves"]["limit-triton"]["text_encoder"]["32"] == 500
    assert read["problems"] == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (RowReport(RowName.faust, [a_round(1.0, n_lost=3)]), "3 posts have no outcome"),
        (RowReport(RowName.faust, [a_round(1.0, n_dead=2)]), "2 posts were not scored"),
        (RowReport(RowName.sluice, [a_round(1.0, n_late=4)]), "4 posts were late"),
        (RowReport(RowName.faust, [a_round(1.0)], agreement=Agreement(9, 8, 0.5)), "1 of 9 answers are others"),
        (RowReport(RowName.quix, failure="pip cannot"), "pip cannot"),
    ],
)
def test_what_makes_figures_doubtful_is_named(row, problem):
    (found,) = BenchReport({}, [row]).problems
    assert problem in found
    assert found.startswith(row.name)


def test_other_weights_may_answer_otherwise():
    row = RowReport(RowName.aiokafka_32bit, [a_round(1.0)], agreement=Agreement(9, 8, 0.5))
    assert BenchReport({}, [row]).problems == []


def test_three_plots_are_drawn(report, tmp_path):
    files = list(draw(report, tmp_path / "plots"))
    assert [file.name for file in files] == ["latency.png", "batch.png", "cpu.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_nothing_is_drawn_of_nothing(tmp_path):
    assert list(draw(BenchReport({}, [RowReport(RowName.quix)]), tmp_path)) == []


class Usage:
    """A `UsageWatch` that has seen this much."""

    def cpu_s(self, begin, end):
        return {"worker": 0.5}

    def peak_mb(self):
        return {"worker": 200.0}


def test_cpu_is_per_post_and_the_generators_apart():
    trace = Trace({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 3.0}, begin=0.0, end=4.0, cpu_s=1.0)
    found = summarise(trace, Usage())
    assert found.posts_per_s == 0.5
    assert found.cpu_ms == {"worker": 250.0, "generator": 500.0}
    assert found.generator_cores == 0.25


def test_a_load_without_outcomes_is_an_error():
    with pytest.raises(StackError):
        summarise(Trace({"a": 1.0}, {}, begin=0.0, end=1.0), Usage())
