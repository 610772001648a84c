"""Evidence: what is measured is what serving points at, and how it is compared with what annotators marked."""

import dataclasses

import numpy as np
import pytest

from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import rationales
from sluice_models.measure.rationales import (
    SHARES,
    find_mean,
    measure_faithfulness,
    measure_overlap,
    measure_spans,
    split_text,
)

pytestmark = pytest.mark.torch
N_LABELS, TOXICITY = len(LABELS), LABELS.index("toxicity")


def make_example(text, source="made", **meta):
    return Example(text, text, None, "en", np.full(N_LABELS, np.nan, np.float32), source, meta)


def test_overlap_is_f1_and_nothing_against_nothing_is_right():
    assert measure_overlap({1, 2}, {2, 3}) == pytest.approx(0.5)
    assert measure_overlap({1}, {1, 2, 3}) == pytest.approx(0.5)
    assert measure_overlap(set(), set()) == 1.0
    assert measure_overlap({1}, set()) == measure_overlap(set(), {1}) == 0.0


class MarkWords:
    """Stands for a scorer whose evidence is some words and whose toxicity is whether they are there."""

    def __init__(self, *words):
        extractor = TextExtractor()
        self.read = lambda texts: [features.rows[0] for features in extractor.extract_batch(texts)]
        self._marked = np.array([self.read([word])[0].input_ids[1] for word in words])

    def score(self, texts):
        return np.stack([marks.max(axis=1) for marks in self.mark(self.read(texts))])

    def mark(self, rows):
        marks = [np.zeros((N_LABELS, len(row.input_ids)), np.float32) for row in rows]
        for row, found in zip(rows, marks, strict=True):
            found[TOXICITY] = np.isin(row.input_ids, self._marked)
        return marks


def test_evidence_on_the_marked_places_scores_one():
    rationale = make_example("you are a fool", tokens=["you", "are", "a", "fool"], rationale=[0, 0, 0, 1])
    spans = [make_example("what a fool he is", spans=[[7, 11]]), make_example("a tree", spans=[])]
    reports = measure_spans(MarkWords("fool"), [rationale, *spans])
    assert [report.figure.value for report in reports] == [1.0, 1.0, 1.0]
    assert [report.n_rows for report in reports] == [1, 2, 1]
    assert reports[0].chance == pytest.approx(0.4)  # one of four tokens


def test_evidence_beside_the_marked_places_scores_zero():
    rationale = make_example("you are a fool", tokens=["you", "are", "a", "fool"], rationale=[1, 0, 0, 0])
    spans = make_example("what a fool he is", spans=[[12, 14]])
    assert [report.figure.value for report in measure_spans(MarkWords("fool"), [rationale, spans])] == [0.0, 0.0, 0.0]


def test_spans_of_each_language_are_measured_apart():
    english = make_example("what a fool he is", spans=[[7, 11]])
    harmless = dataclasses.replace(make_example("tên fool", spans=[]), lang="vi")
    reports = measure_spans(MarkWords("fool"), [harmless, english])
    assert {report.measure: (report.n_rows, report.figure.value) for report in reports} == {
        "character F1, toxic spans": (1, 1.0),
        "character F1, toxic spans that are not empty": (1, 1.0),
        "character F1, toxic spans in vi": (1, 0.0),
    }


def test_a_token_of_the_data_set_that_stands_twice_is_found_in_its_own_place():
    example = make_example("fool you fool", tokens=["fool", "you", "fool"], rationale=[0, 0, 1])
    assert rationales._token_places(example, {9, 10}) == ({2}, {2})


def test_rationales_that_no_majority_chose_are_not_measured():
    undecided = make_example("you are a fool", tokens=["you", "are", "a", "fool"], rationale=[0, 0, 0, 0.4])
    assert measure_spans(MarkWords("fool"), [undecided]) == []


def test_what_is_measured_is_what_serving_publishes():
    text = "what a fool, a sad fool he is"
    (found,) = rationales._read(MarkWords("fool", "sad"), [make_example(text)], ["toxicity"])
    assert "".join(text[place] for place in sorted(found)) == "foolsad fool"
    assert list(rationales._read(MarkWords("fool"), [make_example(text)], ["spam"])) == [set()]


def test_a_text_is_split_into_its_rationale_and_the_rest():
    spans = np.array([[0, 3], [4, 5], [5, 7], [8, 11]], np.int32)
    scores = np.array([0.1, 0.9, 0.2, 0.8], np.float32)
    assert split_text("see ab? you, or not", spans, scores, 0.5) == ("a you", "see b? ")
    assert split_text("see ab? you", spans, scores, 0.01) == ("a", "see b? you")
    assert split_text("see ab? you", spans, scores, 1.0)[1].strip() == ""


def test_a_mean_has_an_interval_around_it():
    figure = find_mean(np.array([0.0, 1.0] * 50, np.float32))
    assert figure.value == 0.5
    assert 0.3 < figure.low < 0.5 < figure.high < 0.7


def test_true_evidence_is_needed_and_is_enough():
    texts = [f"what a fool number {number} and all the rest of it" for number in range(4)]
    needed, enough = measure_faithfulness(MarkWords("fool"), texts, 4)
    assert (needed.n_rows, needed.figure.value, enough.figure.value) == (4, 1.0, 0.0)
    assert needed.chance < 1.0
    assert enough.chance > 0.0


def test_only_texts_that_are_flagged_and_long_enough_are_explained():
    texts = ["a quiet lunch in the garden", "fool", "what a fool he is in the end"]
    assert measure_faithfulness(MarkWords("fool"), texts, 9)[0].n_rows == 1
    assert measure_faithfulness(MarkWords("fool"), texts[:2], 9) == []


def test_the_same_seed_takes_the_same_texts_apart():
    texts = [f"what a fool number {number} and the rest" for number in range(30)]
    scorer = MarkWords("fool")
    assert measure_faithfulness(scorer, texts, 5, seed=1) == measure_faithfulness(scorer, texts, 5, seed=1)
    assert len(SHARES) == 5
