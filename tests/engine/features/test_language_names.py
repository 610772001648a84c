"""What languages that are not read are called."""

from __future__ import annotations

from sluice.features.language import _BY_SCRIPT, NO_LANGUAGE
from sluice.features.language_names import LANGUAGE_NAMES, SCRIPT_NAMES, describe_unread
from sluice.features.ngrams import NgramModel
from sluice.resources import language_file


def test_languages_are_told_in_a_sentence() -> None:
    assert describe_unread(["th"]) == "Thai is not read"
    assert describe_unread(["th", "ru", "el"]) == "Thai, Russian and Greek are not read"
    assert describe_unread(["und-Cyrl"]) == "text in Cyrillic script is not read"
    assert describe_unread(["tlh"]) == "tlh is not read"


def test_everything_that_can_be_found_has_a_name() -> None:
    model = NgramModel(language_file())
    found = {code for script in model.scripts for code in model.languages(script)} | set(_BY_SCRIPT.values())
    assert found - {NO_LANGUAGE} == set(LANGUAGE_NAMES)
    assert model.scripts == set(SCRIPT_NAMES)
