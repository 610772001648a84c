"""Harmful sentences among harmless ones: how posts are put together, and what is counted."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.buried import (
    COUNTS,
    EVERY_LANGUAGE,
    PER_LANGUAGE,
    Buried,
    BuriedPost,
    draw_buried,
    measure_buried,
)
from sluice_models.measure.report import Evaluation

pytestmark = pytest.mark.torch
THREAT = LABELS.index("threat")
REVIEW = {"threat": 0.5}


class Finds:
    """Stands for a scorer that sees a threat where a text has `word` and no more than `most` other letters."""

    def __init__(self, word, most=10_000):
        self.word, self.most = word, most

    def score(self, texts):
        found = [self.word in text and len(text) - len(self.word) <= self.most for text in texts]
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, THREAT] = np.where(found, 0.9, 0.1)
        return scores


def test_posts_hold_the_harmful_sentence_and_the_others_alone_do_not():
    posts = draw_buried({"en": ["so it was" for _ in range(20)], "xx": ["nothing"] * 20})
    assert len(posts) == PER_LANGUAGE
    assert {post.language for post in posts} == {"en"}
    for post in posts:
        assert post.alone.strip() in post.buried
        assert post.others.count("so it was") == post.buried.count("so it was")
    assert {post.others.count("so it was") for post in posts} == set(COUNTS)
    assert posts == draw_buried({"en": ["so it was"] * 20})


def make_post(language, alone):
    return BuriedPost(language, alone, f"{alone}, and so on", "and so on")


def test_what_drowns_is_what_was_found_by_itself():
    posts = [make_post("de", "bad"), make_post("de", "fine"), make_post("en", "bad"), make_post("en", "bad")]
    every, german, english = measure_buried(Finds("bad", most=0), posts, REVIEW)
    assert (every.language, every.n_posts, german.n_posts, english.n_posts) == (EVERY_LANGUAGE, 4, 2, 2)
    assert (german.alone.value, german.buried.value, german.kept.value) == (0.5, 0.0, 0.0)
    kept = measure_buried(Finds("bad"), posts, REVIEW)
    assert [row.kept.value for row in kept] == [1.0, 1.0, 1.0]
    assert kept[1].buried.value == 0.5


def test_of_those_missed_it_is_told_who_is_missed_by_themselves_too():
    posts = [make_post("en", "bad"), make_post("en", "bad"), make_post("en", "bad"), make_post("en", "fine")]
    drowned, *_ = measure_buried(Finds("bad", most=0), posts, REVIEW)
    assert drowned.never.value == 0.25
    missed, *_ = measure_buried(Finds("bad"), posts, REVIEW)
    assert missed.never.value == 1.0
    nothing, *_ = measure_buried(Finds("bad"), posts[:1], REVIEW)
    assert np.isnan(nothing.never.value)


def test_false_alarms_are_those_without_the_harmful_sentence():
    (row, _) = measure_buried(Finds("so on"), [make_post("en", "bad")], REVIEW)
    assert (row.alone.value, row.buried.value, row.alarms.value) == (0.0, 1.0, 1.0)
    assert np.isnan(row.kept.value)


def test_the_table_has_a_line_for_all_and_for_each_language():
    rows = measure_buried(Finds("bad"), [make_post("en", "bad")], REVIEW)
    (table,) = Buried().tables(Evaluation("val", {"buried": tuple(rows)}))
    assert [line.split(" | ")[0] for line in table.markdown().splitlines()[2:]] == ["| all", "| en"]
    assert measure_buried(Finds("bad"), [], REVIEW) == []
