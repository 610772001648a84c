"""Sentences drawn by kind, language and sentence; and twins that differ in whom they name alone."""

import random
from collections import Counter

import pytest

from sluice.schema import LABELS
from sluice_models.recipes.text.drawing import (
    Drawer,
    Family,
    fill_held_out,
    find_identities,
    load_drawing,
    make_of,
    make_twins,
    targets_of,
    vary,
)
from sluice_models.recipes.text.multilingual import Kind, Language, keep_sentences, load_languages

pytestmark = pytest.mark.torch
THREAT, HATE, SPAM = (LABELS.index(label) for label in ("threat", "hate", "spam"))

THREATS = Kind("threat", ("threat",), ("hate",), ("I will {find|get} {name}", "wait, [I will find you], {name}"))
NAMES = Kind("neutral_identity", (), (), ("{name} is here", "a cup of tea"))
LANGUAGE = Language("en", {"name": ("Ann", "Bob", "Cid")}, (THREATS, NAMES))
FAMILIES = [Family("en", kind, LANGUAGE.slots) for kind in LANGUAGE.families]


def test_labels_hold_are_open_or_are_absent():
    targets = targets_of(THREATS)
    assert (targets[THREAT], targets[SPAM]) == (1, 0)
    assert targets[HATE] != targets[HATE]


def test_a_harmful_sentence_is_marked_whole_or_where_its_brackets_are():
    whole, part = (make_of(random.Random(0), FAMILIES[0], sentence, "k", plain=True) for sentence in THREATS.sentences)
    assert (whole.meta["spans"], whole.meta["whole"]) == ([(0, len(whole.text))], True)
    start, end = part.meta["spans"][0]
    assert (part.text[start:end], part.meta["whole"]) == ("I will find you", False)


def test_a_harmless_sentence_marks_nothing():
    made = make_of(random.Random(0), FAMILIES[1], "{name} is here", "k")
    assert made.meta["spans"] == []
    assert (made.targets == 0).all()


def test_case_and_closing_signs_vary_and_the_words_stay():
    said = {vary(random.Random(seed), "See you", "en") for seed in range(200)}
    assert {"See you", "see you", "SEE YOU", "See you.", "See you!"} <= said
    assert any(text.rsplit(" ")[-1] in load_drawing().pictographs for text in said)
    assert {text[-1] for seed in range(99) if (text := vary(random.Random(seed), "再见", "zh"))} >= {"。", "见"}


def test_slots_that_name_people_are_found_where_kinds_name_them():
    assert find_identities(FAMILIES) == {"en": {"name"}}
    assert find_identities(FAMILIES[:1]) == {}


def test_twins_differ_in_one_name_and_in_nothing_else():
    for seed in range(30):
        twins = make_twins(random.Random(seed), FAMILIES[0], {"name"}, f"t{seed}")
        first, second = (twin.text.lower() for twin in twins)
        names = [next(name for name in ("ann", "bob", "cid") if name in text) for text in (first, second)]
        assert names[0] != names[1]
        assert first.replace(names[0], "x") == second.replace(names[1], "x")
        assert {twin.meta["twin"] for twin in twins} == {f"t{seed}"}
        assert (twins[0].targets == twins[1].targets)[[THREAT, SPAM]].all()


def test_a_sentence_that_names_nobody_has_no_twin():
    lonely = Family("en", Kind("everyday", (), (), ("a cup of tea",)), LANGUAGE.slots)
    assert make_twins(random.Random(0), lonely, {"name"}, "t") == []


def test_kinds_and_languages_are_drawn_as_often_as_they_weigh():
    drawer, rng = Drawer(keep_sentences(load_languages(), held_out=False)), random.Random(0)
    drawn = [drawer.draw(rng, "k") for _ in range(3000)]
    kinds, languages = (Counter(each) for each in ([e.meta["kind"] for e in drawn], [e.lang for e in drawn]))
    assert kinds["threat"] > 1.5 * kinds["sexual_solicitation"] > 0
    assert languages["zh"] > 1.5 * languages["de"] > 0
    assert not any("{" in (each.text or "") or "[" in (each.text or "") for each in drawn)


def test_a_language_gives_harmful_and_harmless_sentences_of_its_own():
    drawer, rng = Drawer([LANGUAGE]), random.Random(1)
    assert drawer.languages == ["en"]
    assert drawer.draw_of(rng, "en", harmful=True, key="").targets[THREAT] == 1
    assert not drawer.draw_of(rng, "en", harmful=False, key="").targets.any()
    assert drawer.draw_of(rng, "xx", harmful=False, key="") is None


def test_what_is_held_out_is_never_drawn_and_filled_a_few_times():
    trained, held = (keep_sentences(load_languages(), held_out=held_out) for held_out in (False, True))
    sentences = [
        {(each.lang, one) for each in side for kind in each.families for one in kind.sentences}
        for side in (trained, held)
    ]
    assert not sentences[0] & sentences[1]
    assert 0.08 < len(sentences[1]) / len(sentences[0] | sentences[1]) < 0.2
    filled, again = ([row.text for row in fill_held_out([LANGUAGE], n_fills=3, seed=0)] for _ in range(2))
    assert len(filled) == 3 + 3 + 3 + 1
    assert filled == again
