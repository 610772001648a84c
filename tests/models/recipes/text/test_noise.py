"""Noise for training changes letters, not what is said, and the same seed makes the same."""

import random

import pytest

from sluice_models.recipes.text.noise import HAN, JOINED_SHARE, LATIN, MAX_JOINED, add_spelling_noise, roughen

pytestmark = pytest.mark.torch


def test_the_same_seed_gives_the_same_noise():
    text = "see you at lunch tomorrow 明天一起吃饭"
    assert [add_spelling_noise(random.Random(s), text) for s in range(9)] == [
        add_spelling_noise(random.Random(s), text) for s in range(9)
    ]


def test_numbers_links_signs_and_short_words_stay():
    assert all(add_spelling_noise(random.Random(seed), "a 12 :) 好 !") == "a 12 :) 好 !" for seed in range(30))


@pytest.mark.parametrize("trick", [*LATIN, *HAN])
def test_every_trick_leaves_something_of_the_word(trick):
    for seed in range(20):
        changed = trick(random.Random(seed), "lunch")
        assert changed
        assert set(changed.lower()) & set("lunch") or trick.__name__ in {"_leet", "_other_letters"}


def test_short_texts_are_sometimes_written_as_one_word():
    joined = [roughen(random.Random(seed), "meet me at lunch") for seed in range(200)]
    assert JOINED_SHARE / 2 < joined.count("meetmeatlunch") / 200 < JOINED_SHARE * 2


@pytest.mark.parametrize("text", ["lunch today", "lunch " * (MAX_JOINED // 3)])
def test_two_words_and_long_texts_are_never_joined(text):
    assert text.replace(" ", "") not in {roughen(random.Random(seed), text) for seed in range(200)}


def test_pictographs_stand_for_words_and_nothing_else_changes():
    texts = {add_spelling_noise(random.Random(seed), "the monkey plays FOOTBALL here") for seed in range(60)}
    assert "the 🐵 plays ⚽ here" in texts
