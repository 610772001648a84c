"""The picture of the README: what a command prints in a terminal, as SVG that needs nothing from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from ops.demo_picture import draw, record

COLOURED = "from rich.console import Console; Console(stderr=True).print('[green]allow[/green] a & b')"


def test_what_is_printed_is_drawn_with_its_colours() -> None:
    svg = draw(record((sys.executable, "-c", COLOURED)), "a title")
    ET.fromstring(svg)
    assert 'class="demo-r1"' in svg
    assert ">allow</text>" in svg
    assert "a&#160;&amp;&#160;b" in svg
    assert "a&#160;title" in svg


def test_nothing_is_loaded_from_elsewhere() -> None:
    svg = draw("allow", "a title").replace("http://www.w3.org/", "")
    assert "http" not in svg


def test_a_command_that_fails_draws_nothing() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        record((sys.executable, "-c", "raise SystemExit(3)"))
