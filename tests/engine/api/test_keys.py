"""API keys: their file, their limits."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sluice.api.keys import (
    DAY_S,
    KEY_PREFIX,
    Client,
    DailyQuota,
    KeyEntry,
    KeyRing,
    TokenBucket,
    hash_key,
    load_keys,
    make_key,
)
from sluice.cli import app
from sluice.errors import SettingsError

HASH = hash_key("secret")


def test_a_key_is_found_by_its_hash_alone() -> None:
    ring = KeyRing({"forum": KeyEntry(HASH.upper())})
    found = ring.find("secret")
    assert found is not None
    assert found.name == "forum"
    assert ring.find("other") is None
    assert ring.find("") is None


def test_new_keys_differ_and_are_known_by_their_look() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith(KEY_PREFIX) and len(key) > 50 for key in keys)


def test_what_new_key_prints_is_an_entry_of_the_file(tmp_path: Path) -> None:
    lines = []
    for name in ("forum", "a: strange #name"):
        result = CliRunner().invoke(app, ["new-key", name, "--scope", "score", "--scope", "feedback"])
        assert result.exit_code == 0
        key = result.stderr.split()[-1]
        lines.append(result.stdout)
        assert key not in result.stdout
        (tmp_path / "keys.yaml").write_text("".join(lines))
        entries = load_keys(tmp_path / "keys.yaml")
        assert entries[name] == KeyEntry(hash_key(key), ("score", "feedback"))


def test_a_scope_that_does_not_exist_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["new-key", "forum", "--scope", "everything"])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("forum: {sha256: abc}", "forum: sha256 is not the SHA-256"),
        (f"forum: {{sha256: {HASH}, posts_per_s: 0}}", "forum: posts_per_s is above 0"),
        (f"forum: {{sha256: {HASH}, posts_per_day: -1}}", "forum: posts_per_day is above 0"),
        (f"forum: {{sha256: {HASH}, scopes: [all]}}", "not a file of keys"),
        (f"forum: {{sha256: {HASH}, speed: 1}}", "not a file of keys"),
        ("- forum", "not a file of keys"),
        ("{", "not a file of keys"),
    ],
)
def test_a_mistake_in_the_file_is_named_without_hashes(tmp_path: Path, content: str, mistake: str) -> None:
    (tmp_path / "keys.yaml").write_text(content)
    with pytest.raises(SettingsError, match=r"keys\.yaml: ") as raised:
        load_keys(tmp_path / "keys.yaml")
    assert mistake in str(raised.value)
    assert HASH not in str(raised.value)


@pytest.mark.parametrize(
    ("second", "mistake"),
    [
        (f"forum: {{sha256: {hash_key('other')}}}", "keys.yaml:2: 'forum' stands here again, after line 1"),
        (f"blog: {{sha256: {HASH.upper()}}}", "keys.yaml:2: blog has the key of forum in line 1"),
        (
            f"blog:\n  sha256: {hash_key('other')}\n  sha256: {HASH}",
            "keys.yaml:4: 'sha256' stands here again, after line 3",
        ),
    ],
)
def test_what_stands_twice_is_refused_with_its_line(tmp_path: Path, second: str, mistake: str) -> None:
    (tmp_path / "keys.yaml").write_text(f"forum: {{sha256: {HASH}}}\n{second}\n")
    with pytest.raises(SettingsError) as raised:
        load_keys(tmp_path / "keys.yaml")
    assert str(raised.value).endswith(mistake)
    assert HASH not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"keys\.yaml: No such file"):
        load_keys(tmp_path / "keys.yaml")


def test_a_bucket_fills_at_its_rate_up_to_its_size() -> None:
    bucket = TokenBucket(rate=2.0, size=4.0, now=0.0)
    assert bucket.wait_s(4, 0.0) == 0
    bucket.take(4)
    assert bucket.wait_s(1, 0.0) == 0.5
    assert bucket.wait_s(1, 0.5) == 0
    assert bucket.wait_s(4, 100.0) == 0
    bucket.take(4)
    assert bucket.wait_s(1, 100.0) == 0.5


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 5)), max_size=50), st.floats(0.1, 50))
def test_no_client_gets_more_than_its_rate_and_what_is_saved(steps: list[tuple[int, float]], rate: float) -> None:
    client = Client("x", KeyEntry(HASH, posts_per_s=rate), 0.0)
    now, admitted, largest = 0.0, 0, 0
    for n_posts, pause in steps:
        now += pause
        if client.admit(n_posts, now) is None:
            admitted += n_posts
            largest = max(largest, n_posts)
    assert admitted <= rate * now + max(1.0, 5 * rate) + largest


def test_a_refusal_counts_nothing_and_says_when_to_come_back() -> None:
    client = Client("x", KeyEntry(HASH, posts_per_s=1.0, posts_per_day=6), 0.0)
    assert client.admit(5, 0.0) is None
    refusal = client.admit(2, 0.0)
    assert refusal is not None
    assert refusal.detail == "the key's limit is 6 posts a day"
    assert client.admit(1, 1.0) is None
    assert client.admit(6, refusal.retry_after_s) is None


def test_a_quota_begins_anew_at_midnight_utc() -> None:
    quota = DailyQuota(10)
    noon = 20_000 * DAY_S + DAY_S / 2
    assert quota.wait_s(10, noon) == 0
    quota.take(10)
    assert quota.wait_s(1, noon) == DAY_S / 2
    assert quota.wait_s(1, noon - DAY_S) > 0  # the clock was put back
    assert quota.wait_s(1, noon + DAY_S / 2) == 0


def test_a_key_without_limits_has_none() -> None:
    client = Client("x", msgspec.structs.replace(KeyEntry(HASH)), 0.0)
    assert all(client.admit(10_000, 0.0) is None for _ in range(100))
