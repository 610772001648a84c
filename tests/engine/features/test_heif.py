import sys

import pytest

from sluice.errors import MediaInvalid
from sluice.features import heif
from sluice.features.image import extract_image
from sluice.features.sniffing import name_of
from tests.engine.features.pictures import refuse

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def test_heic_is_read() -> None:
    pi_heif = pytest.importorskip("pi_heif")
    assert pi_heif.libheif_version()
    assert "HEIC" in (name_of(b"\0\0\0\x18ftypheic") or "")
    assert refuse(b"\0\0\0\x18ftypheic" + bytes(99)) == "not_image"


def test_without_the_extra_heic_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    heif.register.cache_clear()
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MediaInvalid, match=r"HEIC is not read: this worker lacks the extra \[media\]"):
        extract_image(b"\0\0\0\x18ftypheic" + bytes(99))
