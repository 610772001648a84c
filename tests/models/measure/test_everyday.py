"""Everyday traffic: groups that weigh the same, of what nobody would mind."""

import random

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.everyday import (
    MIN_GROUP,
    NOT_EVERYDAY,
    PER_GROUP,
    PER_LABEL,
    choose_media,
    compose_everyday,
    draw_everyday,
    draw_harmful,
    is_benign,
)
from sluice_models.recipes.fusion.encoded import OURS, Encoded, one_row_each
from tests.models.recipes.text.rows import make_example, make_harmless

pytestmark = pytest.mark.torch
FIRE, THREAT, SPAM = (LABELS.index(label) for label in ("fire", "threat", "spam"))


@pytest.mark.parametrize(
    ("row", "benign"),
    [
        (make_example(toxicity=0), True),
        (make_example(hate=0), False),  # nobody asked whether it is rude
        (make_harmless("hello"), True),
        (make_example(toxicity=0, spam=1), False),
        (make_example(text="", toxicity=0), False),
    ],
)
def test_a_text_is_benign_if_nothing_was_found_and_toxicity_was_looked_for(row, benign):
    assert is_benign(row) is benign


def test_large_and_small_sources_weigh_the_same_and_tiny_ones_nothing():
    sizes = {"large": 500, "small": MIN_GROUP, "tiny": MIN_GROUP - 1, next(iter(NOT_EVERYDAY)): 500}
    rows = [make_example(f"{s} {n}", source=s, toxicity=0) for s, size in sizes.items() for n in range(size)]
    groups = draw_everyday(rows)
    own = {name: members for name, members in groups.items() if not name.startswith("composed")}
    assert sorted(own) == ["large, en", "small, en"]
    assert {len(members) for members in groups.values()} == {PER_GROUP}
    assert len({row.text for row in own["small, en"]}) == MIN_GROUP
    assert [row.text for row in groups["large, en"]] == [row.text for row in draw_everyday(rows)["large, en"]]


def test_posts_are_composed_of_harmless_texts_in_every_language_that_has_some():
    groups = compose_everyday(random.Random(0), [make_harmless(f"hello number {n}") for n in range(40)])
    assert len(groups) >= 12
    for members in groups.values():
        assert len(members) == PER_GROUP
        assert not any(row.targets.any() for row in members)
    assert any("hello number" in row.text for row in groups["composed, en"])


def test_harmful_texts_are_drawn_by_their_rarest_label():
    rows = [make_example(f"{n}", toxicity=1, threat=1 if n < 5 else 0) for n in range(3 * PER_LABEL)]
    drawn = draw_harmful([*rows, make_harmless("hello")])
    assert sum(row.targets[THREAT] == 1 for row in drawn) == 5
    assert len(drawn) == PER_LABEL + 5
    assert draw_harmful([make_harmless("hello")]) == []


def test_of_pictures_each_source_gives_as_many_and_drawings_none():
    targets = np.zeros((200, len(LABELS)), np.float32)
    targets[:20, FIRE] = 1
    targets[20:30, SPAM] = np.nan
    sources = ["large"] * 100 + ["small"] * MIN_GROUP + ["tiny"] * 5 + [OURS] * (95 - MIN_GROUP)
    ones = np.ones_like(targets)
    part = Encoded(*one_row_each(np.zeros((200, 4, 256))), targets, targets, ones, targets, sources)
    groups, harmful = choose_media(part)
    assert {name: len(rows) for name, rows in groups.items()} == {"large": PER_GROUP, "small": PER_GROUP}
    assert harmful.tolist() == list(range(20))
    assert all((targets[rows] == 1).sum() == 0 for rows in groups.values())
