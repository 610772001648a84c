"""Drawn pages: repeatable, readable, and of every kind."""

import random

import numpy as np
import pytest

from sluice.features import IMAGE_SIZE_PX
from sluice_models.recipes.image.pages import (
    KINDS,
    WORDS,
    choose_colour,
    choose_ink,
    choose_paper,
    draw_pages,
    is_light,
    write_phrase,
)

pytestmark = pytest.mark.torch


def test_pages_are_rows_of_pixels_and_repeatable():
    pages = draw_pages(8, seed=3)
    assert pages.shape == (8, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    assert (pages == draw_pages(8, seed=3)).all()
    assert not (pages == draw_pages(8, seed=4)).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("draw", sorted(set(KINDS), key=repr), ids=lambda draw: getattr(draw, "__name__", "page"))
def test_every_kind_of_page_shows_something_on_paper(draw):
    for seed in range(4):
        pixels = np.asarray(draw(random.Random(seed)))
        colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        assert len(colours) > 1
        assert counts.max() / counts.sum() > 0.2  # paper


def test_ink_can_be_read_on_its_paper():
    rng = random.Random(0)
    for _ in range(300):
        paper = choose_paper(rng)
        ink = choose_ink(rng, is_light(paper))
        assert (sum(paper) - sum(ink)) * (1 if is_light(paper) else -1) > 0
    assert is_light((255, 255, 255))
    assert not is_light((0, 0, 0))


def test_every_second_paper_is_white():
    rng = random.Random(1)
    papers = [choose_paper(rng) for _ in range(400)]
    assert 0.4 < sum(paper == (255, 255, 255) for paper in papers) / 400 < 0.6
    assert sum(not is_light(paper) for paper in papers) > 40


def test_colours_keep_their_limits():
    colours = [choose_colour(random.Random(seed), 10, 20) for seed in range(50)]
    assert all(10 <= part <= 20 for colour in colours for part in colour)


def test_a_phrase_has_the_words_asked_for():
    for seed in range(20):
        phrase = write_phrase(random.Random(seed), 3).lower()
        assert any(phrase.startswith(word.lower()) for word in WORDS)
        assert phrase.count(" ") >= 2
