"""What workers for posts that come first are told beside what all are."""

from __future__ import annotations

import pytest

from sluice.cli.worker import _environment_of_high
from sluice.errors import SettingsError
from sluice.settings import load_settings

GIVEN = {"SLUICE_TOPIC_POSTS_HIGH": "urgent", "SLUICE_GROUP": "g", "SLUICE_TRITON": "t:8001"}


def test_they_read_their_own_topic_in_a_group_of_their_own_and_share_triton() -> None:
    settings = load_settings({**GIVEN, **_environment_of_high(load_settings(GIVEN))})
    assert (settings.kafka.topics.posts, settings.agent.group) == ("urgent", "g-high")
    assert settings.inference.triton == "t:8001"


def test_they_ask_a_triton_of_their_own_where_there_is_one() -> None:
    given = {**GIVEN, "SLUICE_TRITON_HIGH": "h:8001"}
    assert load_settings({**given, **_environment_of_high(load_settings(given))}).inference.triton == "h:8001"
    assert load_settings(given).inference.triton == "t:8001"


def test_no_post_is_judged_by_both_kinds_of_workers() -> None:
    settings = load_settings({**GIVEN, "SLUICE_TOPIC_POSTS": "urgent"})
    with pytest.raises(SettingsError, match="name one topic"):
        _environment_of_high(settings)
