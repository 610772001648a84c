"""Texts of the generator are as long as the bundle's, in two languages, and the same for a seed."""

import random
import statistics

import pytest

from sluice.bench.texts import _CHINESE_LENGTHS, _ENGLISH_LENGTHS, _SHARES, SHARE_CHINESE, draw_length, make_text, vary


def is_chinese(text):
    return any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.fixture(scope="module")
def texts():
    rng = random.Random(5)
    return [make_text(rng) for _ in range(4_000)]


def test_lengths_are_the_bundles(texts):
    for chinese, known in ((False, _ENGLISH_LENGTHS), (True, _CHINESE_LENGTHS)):
        lengths = [len(text) for text in texts if is_chinese(text) is chinese]
        deciles = statistics.quantiles(lengths, n=10)
        for share in (0.2, 0.5, 0.8, 0.9):
            expected = known[_SHARES.index(share)]
            assert abs(deciles[round(share * 10) - 1] - expected) <= 0.12 * expected + 2


def test_both_languages_have_their_share(texts):
    assert abs(sum(map(is_chinese, texts)) / len(texts) - SHARE_CHINESE) < 0.03


def test_no_text_is_empty_and_few_are_the_same(texts):
    assert all(text.strip() for text in texts)
    assert len(set(texts)) > 0.9 * len(texts)


def test_a_seed_gives_the_same_texts(texts):
    rng = random.Random(5)
    assert [make_text(rng) for _ in range(50)] == texts[:50]


@pytest.mark.parametrize(("share", "length"), [(0.0, 2), (0.05, 17), (0.025, 10), (0.5, 83), (0.55, 94)])
def test_between_quantiles_lengths_are_interpolated(share, length):
    assert draw_length(_ENGLISH_LENGTHS, share) == pytest.approx(length, abs=1)


def test_a_variation_differs_and_keeps_the_words(texts):
    rng = random.Random(1)
    for text in texts[:300]:
        varied = vary(rng, text)
        assert varied != text
        assert text.lower() in varied.lower()
