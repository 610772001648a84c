"""Sentences that differ in whom they name alone: how they are filled, and how far apart their scores are."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.report import Evaluation
from sluice_models.measure.twins import PER_SENTENCE, Swapped, Twins, draw_swapped, measure_twins
from sluice_models.recipes.text.multilingual import Kind, Language, load_languages
from sluice_models.recipes.text.templates import is_held_out

pytestmark = pytest.mark.torch
TOXICITY, SPAM = LABELS.index("toxicity"), LABELS.index("spam")


class ByLength:
    """Stands for a scorer whose toxicity is a text's letters in hundredths, and whose spam is twice that."""

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, TOXICITY] = [len(text) / 100 for text in texts]
        scores[:, SPAM] = 2 * scores[:, TOXICITY]
        return scores


def test_shipped_sentences_are_filled_with_several_names_and_are_none_that_training_draws():
    swapped = draw_swapped(load_languages())
    assert {each.language for each in swapped} > {"ar", "de", "en", "zh"}
    assert {each.harmful for each in swapped} == {True, False}
    assert all(1 < len(each.texts) <= PER_SENTENCE for each in swapped)
    assert swapped == draw_swapped(load_languages())


def test_only_sentences_that_are_held_out_and_name_somebody_are_drawn():
    sentences = tuple(f"{{name}} has {n} hats" for n in range(30))
    kinds = (Kind("neutral_identity", (), (), (*sentences, "it rains")),)
    names = ("Ann", "Bo", "Cy")
    swapped = draw_swapped([Language("en", {"name": names}, kinds)])
    held_out = [sentence for sentence in sentences if is_held_out(sentence)]
    assert len(swapped) == len(held_out) > 0
    for each, sentence in zip(swapped, held_out, strict=True):
        assert set(each.texts) == {sentence.replace("{name}", name) for name in names}


def test_the_mean_and_the_largest_difference_are_told_apart_by_kind_and_language():
    swapped = [
        Swapped("de", False, ("a" * 10, "a" * 20, "a" * 40)),
        Swapped("en", False, ("a", "a")),
        Swapped("en", True, ("a" * 10, "a" * 15)),
    ]
    every, german, english, harmful, _ = measure_twins(ByLength(), swapped)
    assert (every.n_pairs, german.n_pairs, english.n_pairs, harmful.n_pairs) == (4, 3, 1, 1)
    assert german.toxicity == pytest.approx(0.2)
    assert german.largest_toxicity == pytest.approx(0.3)
    assert german.label == pytest.approx(0.4)
    assert german.largest_label == pytest.approx(0.6)
    assert german.too_much == 1.0
    assert every.too_much == 0.75
    assert english.largest_label == 0.0
    assert harmful.harmful
    assert measure_twins(ByLength(), []) == []


def test_the_table_tells_harmless_from_harmful():
    rows = measure_twins(ByLength(), [Swapped("en", True, ("a", "aa")), Swapped("en", False, ("a", "aa"))])
    (table,) = Twins().tables(Evaluation("val", {"twins": tuple(rows)}))
    assert [line.split(" | ")[0] for line in table.markdown().splitlines()[2:]] == ["| harmless"] * 2 + [
        "| harmful"
    ] * 2
