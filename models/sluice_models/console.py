"""What the commands of this package share on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from sluice.errors import SluiceError


@contextmanager
def report_errors() -> Iterator[None]:
    """Print our own errors as one line and exit with 1."""
    try:
        yield
    except SluiceError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
