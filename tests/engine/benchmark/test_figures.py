"""The figures of a set, worked out by hand on a few texts."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from sluice.benchmark.figures import (
    Measured,
    choose_class,
    measure_categories,
    measure_chat,
    measure_classes,
    measure_functions,
    measure_languages,
    measure_offence,
    measure_refusals,
)
from sluice.benchmark.formats import ANY, CHINESE_HARMS
from sluice.benchmark.rows import Row
from sluice.schema import LABELS, Verdict
from tests.engine.cli.verdicts import make_reason, make_verdict


def verdict(**scores: float) -> Verdict:
    """Scores as given, each label over one half being a reason."""
    reasons = sorted(scores.items(), key=lambda each: -each[1])
    return make_verdict(
        scores={**dict.fromkeys(LABELS, 0.0), **scores},
        reasons=tuple(make_reason(label, score) for label, score in reasons if score >= 0.5),
    )


def find(measured: list[Measured], measure: str, subject: str = ANY) -> float:
    (found,) = (each for each in measured if (each.measure, each.subject) == (measure, subject))
    assert np.isnan(found.figure.value) or found.figure.low <= found.figure.value <= found.figure.high
    return found.figure.value


ROWS = [
    Row("a", {ANY: True}, "f"),
    Row("b", {ANY: True}, "f"),
    Row("c", {ANY: False}, "g"),
    Row("d", {ANY: False}, "g"),
]
VERDICTS = [verdict(hate=0.9), verdict(hate=0.3), verdict(hate=0.6), verdict(hate=0.1)]


def test_hatecheck_has_accuracy_by_function() -> None:
    found = measure_functions(ROWS, VERDICTS)
    assert [find(found, "accuracy", subject) for subject in ("f", "g", "all")] == [0.5, 0.5, 0.5]
    assert find(found, "AUROC") == 0.75
    assert find(found, "F1") == 0.5


def test_multilingual_hatecheck_has_figures_by_language() -> None:
    rows = [Row(row.text, row.truth, row.group, language) for row in ROWS for language in ("german", "dutch")]
    found = measure_languages(rows, [each for each in VERDICTS for _ in range(2)])
    assert find(found, "AUROC", "german") == find(found, "AUROC", "dutch") == 0.75
    assert find(found, "macro-F1", "dutch") == 0.5


def test_a_category_counts_only_the_texts_that_are_annotated_for_it() -> None:
    rows = [
        Row("a", {"hate": True, ANY: True}),
        Row("b", {"hate": False, ANY: False}),
        Row("c", {"hate": False, "sexual": True, ANY: True}),
    ]
    verdicts = [verdict(hate=0.4), verdict(hate=0.6), verdict(sexual=0.9)]
    found = measure_categories(rows, verdicts)
    assert find(found, "AUPRC", "hate") == 0.5
    assert [each.n_texts for each in found if each.subject == "hate"] == [3]
    assert not [each for each in found if each.subject == "sexual"]  # no negative: not defined
    assert find(found, "AUPRC") == pytest.approx((1 + 2 / 3) / 2)
    assert find(found, "F1") == pytest.approx(0.5)


def test_toxicchat_has_precision_and_recall_of_our_decisions() -> None:
    found = measure_chat(ROWS, VERDICTS)
    assert [find(found, measure) for measure in ("precision", "recall", "F1")] == [0.5, 0.5, 0.5]
    assert np.isnan(find(measure_chat(ROWS, [verdict()] * 4), "precision"))


def test_a_chat_is_not_flagged_for_spam() -> None:
    found = measure_chat(ROWS, [verdict(spam=0.9), verdict(spam=0.9), verdict(), verdict()])
    assert find(found, "recall") == 0.0


def test_xstest_tells_safe_from_unsafe_prompts() -> None:
    found = measure_refusals(ROWS, VERDICTS)
    assert (find(found, "flagged", "safe"), find(found, "flagged", "unsafe")) == (0.5, 0.5)


def test_cold_has_macro_f1_over_both_classes() -> None:
    verdicts = [verdict(toxicity=0.9), verdict(), verdict(), verdict()]
    found = measure_offence(ROWS, verdicts)
    expected = sklearn.metrics.f1_score([1, 1, 0, 0], [1, 0, 0, 0], average="macro")
    assert find(found, "macro-F1", "all") == pytest.approx(expected)


def test_chineseharm_has_the_authors_macro_f1() -> None:
    truth = [0, 0, 1, 5, 5, 4]
    verdicts = [
        verdict(gambling=0.9), verdict(spam=0.8), verdict(sexual=0.7),
        verdict(), verdict(toxicity=0.6), verdict(illicit=0.9, fraud=0.6),
    ]  # fmt: skip
    chosen = [CHINESE_HARMS.index(choose_class(each)) for each in verdicts]
    assert chosen == [0, 4, 1, 5, 2, 4]
    found = measure_classes([Row("x", group=CHINESE_HARMS[each]) for each in truth], verdicts)
    expected = sklearn.metrics.f1_score(truth, chosen, average="macro", labels=range(6), zero_division=0)
    assert find(found, "macro-F1", "all") == pytest.approx(expected, abs=1e-6)
    assert find(found, "F1", "博彩") == pytest.approx(2 / 3)


def test_a_language_that_is_not_read_flags_nothing() -> None:
    unread = make_verdict(decision="review", modalities={"text": "partial: Thai is not read"})
    assert find(measure_refusals(ROWS, [unread] * 4), "flagged", "safe") == 0.0


def test_the_same_texts_give_the_same_intervals() -> None:
    assert measure_functions(ROWS, VERDICTS) == measure_functions(ROWS, VERDICTS)
