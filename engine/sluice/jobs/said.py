"""What a command says on standard error, for who asked: its own words, and of errors that nobody foresaw the name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OURS, TRACE = "sluice: ", "Traceback "
N_LINES = 20
WRONG_USAGE = 2
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")
_FRAME = "│╭╮╰╯─ "


@dataclass(slots=True)
class Said:
    """Its last lines.

    Attributes
    ----------
    lines : list of str
        Those that it meant to say.
    raised : str or None
        The name of an error that nobody foresaw: what is said of it may quote content.
    """

    lines: list[str] = field(default_factory=list)
    raised: str | None = None
    _is_trace: bool = False

    def note(self, line: str) -> None:
        """Take a line."""
        if line.startswith(TRACE):
            self._is_trace, self.raised = True, None
        elif self._is_trace and not line.startswith(OURS):
            found = None if self.raised else _RAISED.match(line)  # the lines before it are indented
            self.raised = found[0] if found else self.raised
        elif line:
            self.lines = [*self.lines[1 - N_LINES :], line]

    @property
    def last(self) -> str:
        """How far it is, in its own words; empty while it has said nothing."""
        return self.lines[-1] if self.lines else ""

    def describe_end(self, exit_code: int | None) -> str:
        """One line on why it failed."""
        ours = [line.removeprefix(OURS) for line in self.lines if line.startswith(OURS)]
        if ours:
            return ours[-1]
        if exit_code == WRONG_USAGE:
            return f"refused: {' '.join(filter(None, (line.strip(_FRAME) for line in self.lines)))}"
        if self.raised:
            return f"it ended by an error that nobody foresaw: {self.raised}"
        if exit_code is not None and exit_code < 0:
            return f"it was ended by signal {-exit_code}"
        return f"it ended with exit code {exit_code}, without a result"
