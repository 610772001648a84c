"""Families of plain sentences: how they are filled, judged and averaged."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure import functional
from sluice_models.measure.functional import (
    OVER_FAMILIES,
    OWN,
    TEMPLATES,
    Family,
    Functional,
    FunctionalRow,
    FunctionalTests,
    fill_family,
    judge,
    load_tests,
    measure_functions,
)
from sluice_models.measure.report import Evaluation

pytestmark = pytest.mark.torch
HATE, THREAT = LABELS.index("hate"), LABELS.index("threat")
SLOTS = {"group": ("cats", "dogs"), "place": ("here", "there", "everywhere")}


def family(*sentences: str, labels: tuple[str, ...] = (), name: str = "made up") -> Family:
    return Family(name, labels, sentences)


def test_every_slot_takes_every_filling() -> None:
    filled = fill_family(family("We like {group} {place}.", "No slot."), SLOTS)
    assert len(filled) == 2 * 3 + 1
    assert len(set(filled)) == len(filled)
    assert "We like dogs everywhere." in filled
    assert filled[-1] == "No slot."


def test_a_slot_that_comes_twice_is_filled_alike() -> None:
    assert fill_family(family("{group} and {group}"), SLOTS) == ["cats and cats", "dogs and dogs"]


def test_a_filling_is_not_filled_again() -> None:
    assert fill_family(family("{group}"), {"group": ("{place}",), "place": ("here",)}) == ["{place}"]


def test_a_slot_that_nobody_fills_is_an_error() -> None:
    with pytest.raises(KeyError, match="season"):
        fill_family(family("{season}"), SLOTS)


def probabilities(**scores: float) -> np.ndarray:
    row = np.zeros((1, len(LABELS)), np.float32)
    for label, score in scores.items():
        row[0, LABELS.index(label)] = score
    return row


@pytest.mark.parametrize(
    ("labels", "scores", "right"),
    [
        (("hate",), {"hate": 0.5}, 1.0),
        (("hate",), {"threat": 0.9}, 0.0),
        (("hate", "threat"), {"threat": 0.9}, 1.0),
        ((), {}, 1.0),
        ((), {"threat": 0.9}, 0.0),
        ((), {"hate": 0.4999}, 1.0),
        ((), {"spam": 1.0}, 1.0),  # the policy has no threshold for it
    ],
)
def test_a_sentence_is_right_if_one_of_its_labels_or_else_nothing_reaches_review(labels, scores, right) -> None:
    assert judge(probabilities(**scores), labels, {"hate": 0.5, "threat": 0.7}).tolist() == [right]


class FlagsWords:
    """Stands for a scorer: a text with ``cats`` is hate."""

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, HATE] = [0.9 if "cats" in text else 0.1 for text in texts]
        return scores


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], FunctionalRow]:
    """What four families of ours come to, and no templates."""
    tests = FunctionalTests(
        SLOTS,
        (
            family("{group} are bad", labels=("hate",), name="slurs"),
            family("cats {place}", labels=("hate", "threat"), name="threats"),
            family("fine", "cats", "fine too", "also fine", name="identity, neutral"),
            family("soup", name="food"),
        ),
    )
    monkeypatch.setattr(functional, "load_tests", lambda: tests)
    monkeypatch.setattr(functional, "fill_templates", lambda *_, **__: [])
    found = measure_functions(FlagsWords(), {"hate": 0.5})
    assert len({(row.suite, row.family) for row in found}) == len(found)
    return {(row.suite, row.family): row for row in found}


def accuracy(rows, name: str) -> float:
    return rows[OWN, name].accuracy.value


def test_families_are_reported_one_by_one(rows) -> None:
    assert accuracy(rows, "slurs") == 0.5
    assert accuracy(rows, "threats") == 1.0
    assert accuracy(rows, "identity, neutral") == 0.75
    assert (rows[OWN, "threats"].n_rows, rows[OWN, "threats"].harmful) == (3, True)
    assert not rows[OWN, "food"].harmful


def test_a_mean_is_over_families_and_not_over_sentences(rows) -> None:
    assert accuracy(rows, f"all hateful {OVER_FAMILIES}") == 0.75
    assert rows[OWN, f"all hateful {OVER_FAMILIES}"].n_rows == 2 + 3
    assert accuracy(rows, f"all harmless {OVER_FAMILIES}") == pytest.approx((0.75 + 1) / 2)


def test_harmless_families_that_speak_of_groups_stand_apart(rows) -> None:
    row = rows[OWN, f"all not hateful, about groups {OVER_FAMILIES}"]
    assert (row.n_rows, row.accuracy.value) == (4, 0.75)


def test_a_suite_without_families_has_no_means(rows) -> None:
    assert {suite for suite, _ in rows} == {OWN}


def test_by_the_hate_score_alone_no_other_label_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Threatens:
        def score(self, texts):
            return np.tile(probabilities(threat=0.9), (len(texts), 1))

    tests = FunctionalTests(SLOTS, (family("a", labels=("hate", "threat"), name="both"),))
    monkeypatch.setattr(functional, "load_tests", lambda: tests)
    monkeypatch.setattr(functional, "fill_templates", lambda *_, **__: [])
    found = {row.family: row.accuracy.value for row in measure_functions(Threatens(), {"hate": 0.5, "threat": 0.5})}
    assert found[f"all hateful {OVER_FAMILIES}"] == 1.0
    assert found[f"all hateful, by the hate score alone {OVER_FAMILIES}"] == 0.0


def test_the_sentences_that_ship_have_names_of_their_own_and_known_labels() -> None:
    tests = load_tests()
    names = [each.name for each in tests.families]
    assert len(set(names)) == len(names)
    assert all(each.sentences and set(each.labels) <= set(LABELS) for each in tests.families)
    assert {bool(each.labels) for each in tests.families} == {True, False}


def test_the_table_says_what_should_be_flagged(rows) -> None:
    evaluation = Evaluation("val", {"functional": (rows[OWN, "slurs"], rows[OWN, "food"])})
    (table,) = Functional().tables(evaluation)
    slurs, food = table.markdown().splitlines()[2:]
    assert slurs.startswith(f"| {OWN} | slurs | yes | 2 |")
    assert food.startswith(f"| {OWN} | food | no | 1 |")
    assert TEMPLATES != OWN
