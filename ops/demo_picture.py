"""Runs ``sluice demo`` in a terminal of its own and draws what it printed: the picture of the README.

::

    python ops/demo_picture.py docs/assets/demo.svg
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 112, 60
DEMO = (sys.executable, "-m", "sluice.cli", "demo")
COLOURS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TTY_INTERACTIVE": "0"}  # no spinner, which would blink
CURSOR = re.compile(r"\x1b\[\?\d+[hl]")
# Rich's own template loads a font from elsewhere. Every viewer has one of these.
TEMPLATE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def record(command: tuple[str, ...]) -> str:
    """What a command prints in a terminal of `COLUMNS` columns; raises `CalledProcessError` if it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = {**os.environ, **COLOURS}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        printed = read_all(ours)
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    return printed.decode()


def read_all(terminal: int) -> bytes:
    """Everything until the other end of a terminal is closed, which Linux tells as an error."""
    chunks = []
    try:
        while chunk := os.read(terminal, 65_536):
            chunks.append(chunk)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    return b"".join(chunks)


def draw(printed: str, title: str) -> str:
    """Draw a terminal's output, with its colours, as SVG."""
    text = Text.from_ansi(CURSOR.sub("", printed).replace("\r\n", "\n").strip())
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(text)
        return console.export_svg(title=title, code_format=TEMPLATE, unique_id="demo")


def main() -> None:
    """Read the arguments, run, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the SVG to write")
    out: Path = parser.parse_args().out
    out.write_text(draw(record(DEMO), "sluice demo"), "utf-8")


if __name__ == "__main__":
    main()
