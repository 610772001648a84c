"""Whether posts are still like those of before."""

from __future__ import annotations

import math
import random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.people.drift import LARGE, MIN_POSTS, SMALL, Window, compare, stability_index, write_metrics
from sluice.schema import LABELS, DetectedLanguage
from tests.engine.cli.verdicts import make_verdict


def window(n_posts: int, power: float, language: str = "en", seed: int = 0) -> Window:
    """Posts whose scores of spam are larger the smaller the power."""
    rng, made = random.Random(seed), Window()
    for number in range(n_posts):
        scores = {**dict.fromkeys(LABELS, 0.01), "spam": rng.random() ** power}
        made.add(make_verdict(str(number), scores=scores, language=DetectedLanguage(language, 1.0)))
    return made


def test_posts_like_those_of_before_do_not_drift() -> None:
    figures = compare(window(5_000, 4), window(5_000, 4, seed=1))
    assert figures.enough
    assert figures.largest < SMALL


def test_what_has_moved_comes_first() -> None:
    figures = compare(window(2_000, 4), window(2_000, 0.5, "de"))
    assert [each.what for each in figures.figures[:2]] == ["language", "spam"]
    assert figures.figures[1].size == "large"
    assert figures.figures[1].index > LARGE
    assert figures.figures[-1].size == "none"


def test_the_index_is_the_textbook_s() -> None:
    """Large counts, so that the half that is added says nothing."""
    before, now = {"a": 600_000, "b": 400_000}, {"a": 300_000, "b": 700_000}
    expected = (0.3 - 0.6) * math.log(0.3 / 0.6) + (0.7 - 0.4) * math.log(0.7 / 0.4)
    assert stability_index(before, now, "ab") == pytest.approx(expected, rel=1e-4)
    assert stability_index({}, {}, "ab") == 0.0


def test_too_few_posts_conclude_nothing() -> None:
    assert not compare(window(MIN_POSTS, 4), window(MIN_POSTS - 1, 0.5)).enough


def test_prometheus_reads_the_file() -> None:
    families = {each.name: each for each in text_string_to_metric_families(write_metrics(compare(Window(), Window())))}
    assert {sample.labels["what"] for sample in families["sluice_drift_index"].samples} == {
        "language",
        "decision",
        *LABELS,
    }
