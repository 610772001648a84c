"""HEIC, as phones send it, is read for real where the extra is there, and named where it is not."""

import base64
import sys

import numpy as np
import pytest

from sluice.errors import MediaInvalid
from sluice.features import heif
from sluice.features.image import extract_image
from sluice.features.sniffing import name_of
from tests.engine.features.pictures import refuse

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


TWO_HALVES = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAA"
    "AAAERAAAEAAQAAAAABoQABAAAAAAAAAFUAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAA"
    "AADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkA"
    "AAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAA"
    "AAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAF"
    "1tZGF0AAAAUSgBrxOA9SeBP//gpUf/utZ4fg8NMT/9qRaP5pLn/5P/HbgMaZ9YTF+Xit2cQC1mXcSql5cJlCcwq6kI6M2A5fPbMZneT1yMiZ9W"
    "eWoNvxu1gA=="
)
"""64 x 48 pixels, the left half red, the right half blue; drawn here, encoded with pillow-heif, which can."""


def test_a_picture_in_heic_is_decoded() -> None:
    pytest.importorskip("pi_heif")
    features = extract_image(TWO_HALVES)
    assert features.partial is None
    (row,) = features.rows
    half = row.pixels.shape[2] // 2
    colours = [row.pixels[:, :, part].mean(axis=(1, 2)) for part in (slice(half - 9), slice(half + 9, None))]
    assert np.allclose(colours, [(200, 30, 30), (30, 60, 200)], atol=6)


def test_a_damaged_one_is_refused() -> None:
    pi_heif = pytest.importorskip("pi_heif")
    assert pi_heif.libheif_version()
    assert "HEIC" in (name_of(b"\0\0\0\x18ftypheic") or "")
    assert refuse(b"\0\0\0\x18ftypheic" + bytes(99)) == "not_image"


def test_without_the_extra_heic_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    heif.register.cache_clear()
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MediaInvalid, match=r"HEIC is not read: this worker lacks the extra \[media\]"):
        extract_image(b"\0\0\0\x18ftypheic" + bytes(99))
