"""An error of ours is one line and exit code 1; a bug stays a traceback."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from sluice.errors import PolicyError, SettingsError, SluiceError
from sluice_models.adopting.encoders import AdoptError
from sluice_models.console import report_errors
from sluice_models.plans.profiles import PlanError


def run(error: BaseException | None):
    app = typer.Typer()

    @app.command()
    def main() -> None:
        with report_errors():
            typer.echo("before")
            if error:
                raise error
        typer.echo("after")

    return CliRunner().invoke(app, [])


@pytest.mark.parametrize("kind", [SluiceError, SettingsError, PolicyError, AdoptError, PlanError])
def test_an_error_of_ours_is_one_line_on_standard_error(kind: type[SluiceError]) -> None:
    result = run(kind("the bundle is not there"))
    assert (result.exit_code, result.stdout) == (1, "before\n")
    assert result.stderr == "error: the bundle is not there\n"


def test_what_is_no_error_of_ours_is_passed_on() -> None:
    result = run(ZeroDivisionError("a bug"))
    assert isinstance(result.exception, ZeroDivisionError)


def test_without_an_error_the_command_goes_on() -> None:
    result = run(None)
    assert (result.exit_code, result.stdout) == (0, "before\nafter\n")
