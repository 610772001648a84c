"""Where a command finds Kafka and the media store."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.config import KafkaConfig, Topics
from sluice.connection import MAX_CONNECT_S, Connection, find_connection
from sluice.errors import KafkaUnavailable, SettingsError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_without_an_option_the_environment_says_where() -> None:
    assert find_connection(None).kafka == KafkaConfig()


def test_an_address_replaces_the_environments_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_KAFKA", "env:9092")
    monkeypatch.setenv("SLUICE_TOPIC_POSTS", "mine")
    assert find_connection(None).kafka == KafkaConfig("env:9092", topics=Topics("mine"))
    assert find_connection("other:9092").kafka == KafkaConfig("other:9092", topics=Topics("mine"))


@pytest.mark.parametrize(("asked_s", "waited_s"), [("0.5", 0.5), ("60", MAX_CONNECT_S)])
def test_a_person_waits_no_longer_than_ten_seconds(
    asked_s: str, waited_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_START_TIMEOUT_S", asked_s)
    assert find_connection(None).timeout_s == waited_s


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(SettingsError, match="SLUICE_KAFKA_SECURITY_PROTOCOL"):
        find_connection("k:9092")


def test_a_broker_that_is_embedded_is_recognised(kafka: KafkaConfig) -> None:
    found = Connection(KafkaConfig(kafka.bootstrap), "media", 10.0).recognised()
    assert found == Connection(kafka, "media", 10.0)


def test_a_broker_that_does_not_answer_is_named() -> None:
    with pytest.raises(KafkaUnavailable, match="127.0.0.1:1"):
        Connection(KafkaConfig("127.0.0.1:1"), "media", 0.3).recognised()


def test_a_directory_is_a_media_store(tmp_path: Path) -> None:
    uri = Connection(KafkaConfig(), str(tmp_path / "media"), 1.0).open_store().put(b"content", ".png")
    assert uri.startswith((tmp_path / "media").as_uri())


@pytest.mark.parametrize("store", ["nosuch://bucket/prefix", "memory"])
def test_a_media_store_that_is_none_is_a_wrong_setting(store: str, tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file is in the way")
    place = store if "://" in store else str(tmp_path / store)
    with pytest.raises(SettingsError, match=f"SLUICE_MEDIA_STORE: {place}"):
        Connection(KafkaConfig(), place, 1.0).open_store().put(b"x", "")
