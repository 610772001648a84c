import random
import re
import unicodedata
from pathlib import Path

import pytest
import yaml

from sluice.schema import LABELS
from sluice_models.recipes.text.templates import (
    OVERLAPPING,
    cut_marks,
    fill,
    fill_templates,
    is_held_out,
    load_templates,
)

FAMILIES = load_templates().families
BY_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def bare(sentence):
    """Letters, digits and pictographs, without slots: what is left of a sentence whatever stands in it."""
    kept = re.sub(r"\{\w+\}", "", sentence.lower())
    return "".join(one for one in kept if one.isalnum() or unicodedata.category(one) == "So")


@BY_FAMILY
def test_labels_are_known_and_absent_ones_overlap(family):
    assert set(family.labels) <= set(LABELS)
    assert set(family.absent) <= set(OVERLAPPING) - set(family.labels)
    assert family.weight > 0


def test_families_have_names_of_their_own():
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))


@BY_FAMILY
def test_some_sentences_of_every_family_are_trained_on(family):
    assert not all(map(is_held_out, family.sentences))


@BY_FAMILY
def test_every_slot_of_a_sentence_is_filled(family):
    slots = load_templates().slots
    for sentence in family.sentences:
        assert not re.search(r"\{\w+\}", fill(random.Random(0), sentence, slots))


@BY_FAMILY
def test_brackets_are_balanced_and_only_in_harmful_sentences(family):
    for sentence in family.sentences:
        assert re.sub(r"[^\[\]]", "", sentence) in ({"", "[]", "[][]"} if family.labels else {""})


def test_marks_are_cut_and_their_ranges_kept():
    text, spans = cut_marks("good soup but [you fool] and [you clown]!")
    assert text == "good soup but you fool and you clown!"
    assert [text[start:end] for start, end in spans] == ["you fool", "you clown"]


@pytest.mark.parametrize("held_out", [False, True])
def test_harmful_rows_have_a_range_of_characters_and_harmless_ones_none(held_out):
    for row in fill_templates(1000, 1, held_out):
        spans = row.meta["spans"]
        assert all(0 <= start < end <= len(row.text) for start, end in spans)
        assert bool(spans) == bool((row.targets == 1).any())


def test_the_same_seed_gives_the_same_rows():
    assert [row.text for row in fill_templates(50, 3)] == [row.text for row in fill_templates(50, 3)]


def test_no_sentence_has_two_sets_of_labels():
    labels: dict[str, tuple[str, ...]] = {}
    for family in FAMILIES:
        for sentence in family.sentences:
            assert labels.setdefault(bare(sentence) + str(sorted(re.findall(r"\{\w+\}", sentence))), family.labels) == (
                family.labels
            )


def test_no_sentence_stands_on_both_sides_but_for_case_and_punctuation():
    sides: dict[str, bool] = {}
    for family in FAMILIES:
        for sentence in family.sentences:
            if len(bare(sentence)) > 5:  # emoji alone have nothing to tell them apart
                key = bare(sentence) + str(sorted(re.findall(r"\{\w+\}", sentence)))
                assert sides.setdefault(key, is_held_out(sentence)) == is_held_out(sentence), sentence


def test_functional_sentences_are_no_templates():
    tests = yaml.safe_load((Path("models/sluice_models/measure/functional.yaml")).read_text("utf-8"))
    tested = {bare(sentence) for family in tests["families"] for sentence in family["sentences"]}
    ours = {bare(sentence): sentence for family in FAMILIES for sentence in family.sentences}
    assert len(tested) > 20
    assert not [ours[one] for one in ours.keys() & tested if one]


@pytest.mark.parametrize("held_out", [False, True])
def test_rows_are_made_of_the_sentences_asked_for(held_out):
    """Rows of the families whose sentences stay recognisable: long ones without slots and not embedded."""
    fixed = {bare(one): one for family in FAMILIES for one in family.sentences if "{" not in one and len(one) > 12}
    found = [fixed[bare(row.text)] for row in fill_templates(4000, 5, held_out) if bare(row.text) in fixed]
    assert found
    assert all(is_held_out(sentence) == held_out for sentence in found)
