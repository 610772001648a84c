"""Evidence: what is measured is what serving points at, and how it is compared with what annotators marked."""

import numpy as np
import pytest

from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice.modalities import marks
from sluice.modalities.text import find_spans
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import rationales
from sluice_models.measure.rationales import (
    SHARES,
    find_mean,
    mark_tokens,
    measure_faithfulness,
    measure_overlap,
    measure_spans,
    split_text,
)

pytestmark = pytest.mark.torch
N_LABELS, TOXICITY = len(LABELS), LABELS.index("toxicity")


def make_row(spans):
    spans = np.array(spans, np.int32)
    n_tokens = len(spans)
    return TextRow(np.arange(n_tokens), np.ones(n_tokens, np.int64), spans)


WORDS = make_row([[0, 0], [0, 3], [4, 7], [8, 9], [12, 15], [15, 19], [0, 0]])


def make_example(text, source="made", **meta):
    return Example(text, text, None, "en", np.full(N_LABELS, np.nan, np.float32), source, meta)


def test_the_limits_of_the_figure_are_those_of_serving():
    assert rationales.MARKED == marks.MARKED
    assert rationales.SHARE_OF_PEAK == marks.SHARE_OF_PEAK
    assert rationales.FLOOR == marks.FLOOR


@pytest.mark.parametrize("highest", [0.05, 0.1, 0.3, 0.6, 0.99])
def test_tokens_are_marked_as_serving_marks_them(highest):
    rng = np.random.default_rng(int(highest * 100))
    for _ in range(20):
        scores = (rng.random(len(WORDS.spans)) * highest).astype(np.float32)
        served = marks.mark(np.where(WORDS.spans[:, 1] > WORDS.spans[:, 0], scores, 0.0))
        assert mark_tokens(WORDS, scores).tolist() == served.tolist()


def test_characters_are_those_of_the_spans_that_serving_publishes():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.random(len(WORDS.spans)).astype(np.float32)
        example = make_example("x" * 19, spans=[])
        found, _ = rationales._character_places(example, WORDS, mark_tokens(WORDS, scores))
        published = find_spans([WORDS], [scores])
        assert found == {place for span in published for place in range(span.start, span.end)}


def test_special_tokens_and_padding_are_never_marked():
    scores = np.array([0.9, 0.6, 0.3, 0.2, 0.1, 0.1, 0.9], np.float32)
    assert mark_tokens(WORDS, scores).tolist() == [False, True, False, False, False, False, False]
    assert mark_tokens(WORDS, scores * 0.5).tolist() == [False, True, False, False, False, False, False]
    assert not mark_tokens(make_row([[0, 0], [0, 0]]), np.ones(2, np.float32)).any()


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


def test_a_token_of_the_data_set_that_stands_twice_is_found_in_its_own_place():
    tokens = ["fool", "you", "fool"]
    row = make_row([[0, 0], [0, 4], [5, 8], [9, 13], [0, 0]])
    example = make_example("fool you fool", tokens=tokens, rationale=[0, 0, 1])
    marked = np.array([False, False, False, True, False])
    assert rationales._token_places(example, row, marked) == ({2}, {2})


def test_rationales_that_no_majority_chose_are_not_measured():
    undecided = make_example("you are a fool", tokens=["you", "are", "a", "fool"], rationale=[0, 0, 0, 0.4])
    assert measure_spans(MarkWords("fool"), [undecided]) == []


def test_a_single_gap_between_marked_tokens_belongs_to_them():
    marked = np.array([False, True, True, False, True, False, False])
    found, _ = rationales._character_places(make_example("x" * 19, spans=[]), WORDS, marked)
    assert found == {*range(7), *range(12, 15)}


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
