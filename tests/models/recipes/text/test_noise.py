"""Noise for training changes letters, not what is said, and the same seed makes the same."""

import random

import pytest

from sluice_models.data.bundle import Example
from sluice_models.recipes.text.noise import HAN, LATIN, NOISY_SHARE, add_spelling_noise

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


def test_some_rows_of_a_pass_get_noise_and_lose_their_marks():
    from sluice_models.recipes.text.texts import add_noise

    rows = [
        Example(str(n), "meet me at lunch please", None, "en", None, "made", {"spans": [[0, 4]]}) for n in range(600)
    ]
    noisy = add_noise(rows, seed=1)
    changed = [new for old, new in zip(rows, noisy, strict=True) if new is not old]
    assert NOISY_SHARE / 2 < len(changed) / len(rows) < NOISY_SHARE * 2
    assert all(row.meta == {} for row in changed)


def test_pictographs_stand_for_words_and_nothing_else_changes():
    texts = {add_spelling_noise(random.Random(seed), "the monkey plays FOOTBALL here") for seed in range(60)}
    assert "the 🐵 plays ⚽ here" in texts
