"""What ``sluice bench`` is told."""

import pytest
from typer.testing import CliRunner

from sluice.bench.names import DESCRIPTIONS, RowName
from sluice.cli import app
from sluice.cli.bench import parse_loads, parse_rows
from sluice.errors import BenchmarkError


def test_rows_come_in_the_tables_order():
    assert parse_rows("faust, limit-triton,faust") == [RowName.limit_triton, RowName.faust]
    assert parse_rows(None) == list(RowName)
    assert set(DESCRIPTIONS) == set(RowName)


def test_an_unknown_row_is_named():
    with pytest.raises(BenchmarkError, match="flink"):
        parse_rows("sluice,flink")


def test_loads_are_shares():
    assert parse_loads("50,70,90") == [0.5, 0.7, 0.9]
    assert parse_loads("") == []


@pytest.mark.parametrize("wrong", ["half", "0", "500", "-5"])
def test_wrong_loads_are_refused(wrong):
    with pytest.raises(BenchmarkError, match="loads"):
        parse_loads(wrong)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--rows", "flink"], "flink"), (["--mix", "1/2"], "1/2"), (["--profile", "--rows", "sluice"], "--out")],
)
def test_nothing_is_started_on_a_mistake(arguments, said):
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 1
    assert said in done.stderr
