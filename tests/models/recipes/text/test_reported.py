"""Harm that somebody reports is no harm, and its words stay."""

import random

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.recipes.text.multilingual import load_languages
from sluice_models.recipes.text.reported import MAX_CHARACTERS, PLACE, load_reports, report, report_some
from tests.models.recipes.text.rows import make_example

pytestmark = pytest.mark.torch
PROFANITY, THREAT = LABELS.index("profanity"), LABELS.index("threat")


def make_said(text="I will break your door.", lang="en", **labels):
    return make_example(text, lang=lang, meta={"kind": "threat"}, **{"threat": 1, "profanity": 0, **labels})


def test_every_language_has_frames_with_one_place_for_the_sentence():
    assert {language.lang for language in load_languages()} <= set(load_reports())
    for frames in load_reports().values():
        assert len(frames) >= 3
        assert all(frame.count(PLACE) == 1 for frame in frames)


def test_what_is_reported_is_there_without_its_stop_and_holds_no_longer():
    told = report(random.Random(0), make_said(), "k")
    assert "I will break your door" in told.text
    assert told.targets[THREAT] == 0
    assert told.meta["spans"] == []


@pytest.mark.parametrize(("said", "left"), [(1, np.nan), (np.nan, np.nan), (0, 0)])
def test_coarse_words_may_stay_coarse(said, left):
    told = report(random.Random(0), make_said(profanity=said), "k")
    np.testing.assert_equal(told.targets[PROFANITY], np.float32(left))


def test_languages_without_frames_give_none():
    assert report(random.Random(0), make_said(lang="xx"), "k") is None
    assert report_some(random.Random(0), [make_said(lang="xx")], 9) == []


def test_only_harm_against_others_is_reported_and_no_long_text():
    unfit = [
        make_said(self_harm=1),
        make_said(text="x" * MAX_CHARACTERS),
        make_said(threat=0),
        make_example("I will break your door", threat=1),
    ]
    assert report_some(random.Random(0), unfit, 9) == []
    assert len(report_some(random.Random(0), [*unfit, make_said()], 9)) == 9
