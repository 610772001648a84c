"""The documentation's pictures of the page, taken over a scripted scorer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ops.page_pictures import SIZE, read_address, take_pictures
from tests.components import require
from tests.engine.api.conftest import serving
from tests.engine.api.seeing import SeeingScorer

MAX_BYTES = 150_000


def test_the_pictures_are_small(tmp_path: Path) -> None:
    require("chromium")
    with serving(SeeingScorer()) as address:
        asyncio.run(take_pictures(address, tmp_path))
    pictures = sorted(tmp_path.iterdir())
    assert [path.name for path in pictures] == ["page-dark.png", "page-light.png"]
    for path in pictures:
        assert path.stat().st_size < MAX_BYTES
        assert Image.open(path).size == tuple(SIZE.values())


def test_a_server_that_ends_says_why() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such file')"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, pytest.raises(RuntimeError) as raised:
        read_address(process)
    assert "no such file" in str(raised.value)
