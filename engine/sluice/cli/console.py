"""Standard output carries JSON; everything for people goes to standard error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status

WIDTH = 140
"""Where there is no terminal to ask."""


def make_console() -> Console:
    """A console on standard error; in a file, rows are not broken."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH)


def printable(text: str) -> str:
    """Text that others chose, such as a post's id, without what could steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def cell(text: str) -> str:
    """The same for a table, whose library takes what stands in brackets for markup."""
    from rich.markup import escape

    return escape(printable(text))


def say(message: str) -> None:
    """One plain line on standard error."""
    typer.echo(message, err=True)


def emit(line: bytes) -> None:
    """One line of JSON on standard output, at once."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def has_terminal() -> bool:
    """Whether standard output is a terminal, and not a file or a program."""
    return sys.stdout.isatty()


def wants_json(asked: bool) -> bool:
    """Whether to write JSON: when asked, or when standard output goes to a file or a program."""
    return asked or not has_terminal()


def make_progress(console: Console, shares_rows: bool = False) -> Progress:
    """A progress bar with a count and a rate; it is gone when done, and absent where nobody looks.

    Parameters
    ----------
    shares_rows : bool
        Whether rows are printed on the same terminal: they show how far it is, and a bar would be torn by them.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=shares_rows or not console.is_terminal)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def make_spinner(console: Console, what: str) -> Status:
    """A spinner that says what is waited for, in characters that the terminal knows."""
    return console.status(what, spinner="dots" if console.encoding.startswith("utf") else "line")


@contextmanager
def ending_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that what it started is stopped."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
