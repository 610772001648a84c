"""What is to be run: a command, its options and the files that it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sluice.errors import SluiceError

KindName = Literal[
    "backtest",
    "shadow",
    "drift",
    "decision-report",
    "label-export",
    "calibration",
    "audit-check",
    "audit-status",
    "erasure",
    "transparency-export",
]
RESULT, PAGE = "result.json", "page.html"


class OrderRefused(SluiceError):
    """An order that asks for what cannot be; says what."""


@dataclass(frozen=True, slots=True)
class Order:
    """One run of a command.

    Attributes
    ----------
    command : tuple of str
        Its name, and that of a command of it.
    options : tuple of str
        Each as ``--name=value`` or ``--name``, so that no value is taken for an option.
    paths : mapping of str to str
        Options that name a file or a folder, which lies in the job's own folder.
    inputs : mapping of str to str
        Files that are written there first, by their names.
    operand : str
        What follows the options; empty for nothing.
    prints : str
        The file that takes what the command prints.
    page, file : str
        Files that are there when it has ended: a page to look at, and one to take along; empty without one.
    more_s : float
        Seconds that it may run for beyond what every command may.
    """

    kind: KindName
    command: tuple[str, ...]
    options: tuple[str, ...] = field(repr=False)  # an author's id, for one
    paths: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    operand: str = ""
    prints: str = RESULT
    page: str = ""
    file: str = ""
    more_s: float = 0.0

    def __post_init__(self) -> None:
        for option in self.options:
            if "\0" in option:  # no argument of a process can hold one
                raise OrderRefused(f"{option.partition('=')[0].removeprefix('--')}: it holds a NUL")

    def arguments(self, folder: Path) -> list[str]:
        """Of the command, for a run in a folder."""
        paths = [f"{option}={folder / name}" for option, name in self.paths.items()]
        return [*self.command, *self.options, *paths, *(("--", self.operand) if self.operand else ())]

    def write_inputs(self, folder: Path) -> None:
        """Put the files that it reads into its folder."""
        for name, text in self.inputs.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")

    def remove_inputs(self, folder: Path) -> None:
        """Take them away again: what somebody posted may stand there."""
        for name in self.inputs:
            (folder / name).unlink(missing_ok=True)
