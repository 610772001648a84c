"""Posts of several sentences: labels and marks of the one that counts, in its new place."""

import random

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.config import Composition
from sluice_models.recipes.text.composed import Composer, is_harmless, join, pool_harmless
from sluice_models.recipes.text.drawing import Drawer
from sluice_models.recipes.text.multilingual import Kind, Language
from sluice_models.recipes.text.reported import MAX_CHARACTERS
from sluice_models.recipes.text.templates import SOURCE
from tests.models.recipes.text.rows import make_example, make_harmless

pytestmark = pytest.mark.torch
THREAT = LABELS.index("threat")
TEA = Language("en", {}, (Kind("everyday", (), (), ("a cup of tea",)),))
FOUND, OWN = {"en": ["the train is late", "soup again today"]}, {"en": ["we meet at noon"]}
AROUND = {*FOUND["en"], *OWN["en"], "a cup of tea"}


@pytest.fixture
def composer():
    return Composer(Drawer([TEA]), FOUND, OWN, Composition(1.0, ((2, 4, 1.0),)))


def make_core(**more):
    return make_example("I will break your door", **{"threat": 1, **more})


def test_rows_are_harmless_if_nearly_everything_is_known_to_be_absent():
    assert is_harmless(make_harmless("hello there"))
    assert not is_harmless(make_example("hello there", toxicity=0))
    assert not is_harmless(make_example("hello there", **{**dict.fromkeys(LABELS, 0), "spam": 1}))


def test_pools_hold_short_harmless_texts_by_language():
    rows = [make_harmless("hello there"), make_harmless("x"), make_harmless("y" * (MAX_CHARACTERS + 1)), make_core()]
    assert pool_harmless([*rows, make_harmless("guten Tag", lang="de")]) == {"en": ["hello there"], "de": ["guten Tag"]}


def test_a_harmful_sentence_keeps_its_labels_and_marks_among_others(composer):
    rng, core = random.Random(0), make_core(meta={"spans": [[7, 12]]})
    for number in range(20):
        post = composer.compose_around(rng, f"c{number}", core)
        start, end = post.meta["spans"][0]
        assert post.text[start:end] == "break"
        assert not post.meta["whole"]
        assert post.targets is core.targets
        assert sum(text.lower() in post.text.lower() for text in AROUND) >= 1


def test_a_sentence_that_marks_nothing_is_marked_whole(composer):
    post = composer.compose_around(random.Random(0), "c", make_core())
    start, end = post.meta["spans"][0]
    assert post.text[start:end] == "I will break your door"
    assert post.meta["whole"]


def test_a_harmless_post_holds_nothing_and_says_so(composer):
    post = composer.compose_harmless(random.Random(0), "h", "en")
    assert (post.targets == 0).all()
    assert post.meta == {"spans": [], "composed": True}
    assert composer.compose_harmless(random.Random(0), "h", "xx").text.strip(".,") == "ok"


def test_harmful_and_harmless_posts_come_in_their_shares():
    composer = Composer(Drawer([TEA]), FOUND, OWN, Composition(0.6, ((1, 3, 1.0),)))
    rows = [make_core(), make_core(source=SOURCE), make_core(lang="xx"), make_harmless("hello there")]
    posts = composer.compose(random.Random(0), 400, rows)
    share = np.mean([post.targets[THREAT] == 1 for post in posts])
    assert 0.5 < share < 0.7
    made = np.mean([post.source == SOURCE for post in posts if post.targets[THREAT] == 1])
    assert 0.5 < made < 0.8


def test_without_harmful_sentences_all_posts_are_harmless(composer):
    posts = composer.compose(random.Random(0), 9, [make_harmless("hello there")])
    assert not any(post.targets.any() for post in posts)


@pytest.mark.parametrize(("language", "stop"), [("en", "."), ("zh", "。")])
def test_sentences_are_joined_as_people_write_them(language, stop):
    parts = ["one two", "three!", "four"]
    for seed in range(50):
        text, start, end = join(random.Random(seed), parts, 1, language)
        assert text[start:end] == "three!"
        assert "three!" in text
        assert "!" + stop not in text
        assert language == "zh" or " " in text or "\n" in text
    assert any(join(random.Random(seed), parts, 1, language)[0].endswith(stop) for seed in range(9))
