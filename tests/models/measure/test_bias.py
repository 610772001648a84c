"""How scores treat texts that name an identity: who is counted, and what each figure shows."""

from types import SimpleNamespace

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import bias as module
from sluice_models.measure.bias import (
    IDENTITIES,
    MIN_ROWS,
    TEMPLATE_SOURCE,
    Bias,
    find_any_member,
    find_members,
    measure_bias,
    report_identity,
    sample_rows,
)
from sluice_models.measure.report import Evaluation

pytestmark = pytest.mark.torch
TOXICITY = LABELS.index("toxicity")


def make_example(text, toxicity, lang="en", source="made"):
    targets = np.full(len(LABELS), np.nan, np.float32)
    targets[TOXICITY] = toxicity
    return Example(text, text, None, lang, targets, source)


def make_rows(word, n_rows=2 * MIN_ROWS, **changes):
    return [make_example(f"my {word} neighbour number {number}", number % 2, **changes) for number in range(n_rows)]


def score_by(examples, raised=(), by=0.3):
    """Scores that know the truth, and are raised where a word is named."""
    named = [any(word in (row.text or "") for word in raised) for row in examples]
    truths = [0.6 if row.targets[TOXICITY] == 1 else 0.4 for row in examples]
    return np.array(truths, np.float32) + np.float32(by) * np.array(named)


def test_an_identity_is_a_whole_word_in_any_case():
    assert find_members(["She is Muslim.", "muslin cloth", "two Jews"], "religion").tolist() == [True, False, True]
    assert find_members(["GAY", "gayly", "a gay-friendly bar"], "orientation").tolist() == [True, False, True]
    assert find_any_member(["an old tree", "a tree"]).tolist() == [True, False]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_every_word_of_an_identity_is_found(identity):
    words = [word.replace("s?", "s") for word in IDENTITIES[identity].split("|")]
    assert find_members([f"the {word} here" for word in words], identity).all()


def test_scores_that_only_know_the_truth_have_no_bias():
    member = np.array([True] * 40 + [False] * 40)
    positive = np.tile([True, False], 40)
    scores = np.where(positive, 0.6, 0.4).astype(np.float32)
    report = report_identity("made", "x", scores, positive, member)
    assert report.subgroup.value == report.bpsn.value == report.bnsp.value == 1.0
    assert (report.n_positives, report.n_negatives) == (20, 20)


@pytest.mark.parametrize(("shift", "figures"), [(0.3, (1.0, 0.0, 1.0)), (-0.3, (1.0, 1.0, 0.0))])
def test_raised_scores_show_in_bpsn_and_lowered_ones_in_bnsp(shift, figures):
    member = np.array([True] * 40 + [False] * 40)
    positive = np.tile([True, False], 40)
    scores = np.where(positive, 0.6, 0.4).astype(np.float32) + np.float32(shift) * member
    report = report_identity("made", "x", scores, positive, member)
    assert (report.subgroup.value, report.bpsn.value, report.bnsp.value) == figures


def test_a_side_without_rows_has_no_figure():
    everyone, positive = np.ones(20, np.bool_), np.ones(20, np.bool_)
    report = report_identity("made", "x", np.ones(20, np.float32), positive, everyone)
    assert str(report.bpsn) == "–"


def test_an_identity_with_too_few_rows_of_either_kind_is_not_reported():
    rows = make_rows("old") + make_rows("blind", n_rows=2 * MIN_ROWS - 2)
    assert [row.identity for row in measure_bias(rows, score_by(rows))] == ["age"]


def test_templates_are_reported_among_themselves_and_with_all_english_rows():
    rows = make_rows("old", source=TEMPLATE_SOURCE) + make_rows("old") + make_rows("tall", source=TEMPLATE_SOURCE)
    found = {row.rows: row for row in measure_bias(rows, score_by(rows, raised=("old",)))}
    assert set(found) == {TEMPLATE_SOURCE, "all English"}
    assert found[TEMPLATE_SOURCE].n_positives == MIN_ROWS
    assert found["all English"].n_positives == 2 * MIN_ROWS
    assert found["all English"].bpsn.value == 0.0


def test_rows_in_chinese_and_rows_that_nobody_annotated_are_no_part_of_it():
    rows = make_rows("old", lang="zh") + [make_example(f"old {number}", np.nan) for number in range(30)]
    assert measure_bias(rows, score_by(rows)) == []
    assert sample_rows(rows) == []


def test_all_rows_that_name_somebody_are_kept_and_others_sampled(monkeypatch):
    monkeypatch.setattr(module, "N_BACKGROUND", 5)
    rows = make_rows("tall", 30) + make_rows("old", 20)
    sample = sample_rows(rows)
    assert sum("old" in row.text for row in sample) == 20
    assert sum("tall" in row.text for row in sample) == 5
    assert sample == sample_rows(rows)
    assert len(sample_rows(rows[:3])) == 3


def test_the_report_measures_and_shows_a_row_for_each_identity():
    rows = make_rows("old") + make_rows("tall")
    scores = np.zeros((len(rows), len(LABELS)), np.float32)

    def score(texts):
        by_text = {row.text: row for row in rows}
        scores[:, TOXICITY] = score_by([by_text[text] for text in texts], raised=("old",))
        return scores

    context = SimpleNamespace(examples=rows, texts=SimpleNamespace(score=score))
    found = tuple(Bias().measure(context))
    (table,) = Bias().tables(Evaluation("val", {"bias": found}))
    (line,) = table.markdown().splitlines()[2:]
    assert line.startswith(f"| all English | age | {MIN_ROWS} | {MIN_ROWS} | 1.000 [")
    assert "| 0.000 [0.000, 0.000] |" in line
