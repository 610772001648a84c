"""Whether posts are still like those of before."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.people.drift import (
    LARGE,
    MIN_POSTS,
    SMALL,
    WEEK_S,
    Population,
    Window,
    compare,
    stability_index,
    write_metrics,
)
from sluice.people.page import write_drift
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


def test_each_week_is_held_against_all_before_the_last() -> None:
    population, begins_s = Population(1_000_000_000.0), 1_000_000_000.0
    for number, (language, at_s) in enumerate(
        [("en", begins_s - 1.5 * WEEK_S)] * 600 + [("de", begins_s - 0.5 * WEEK_S)] * 500 + [("de", begins_s + 1)] * 40
    ):
        verdict = make_verdict(str(number), "review" if language == "de" else "allow")
        verdict = msgspec.structs.replace(verdict, language=DetectedLanguage(language, 1.0))
        population.add(verdict, at_s)
    population.add(make_verdict("without a time"), None)
    figures = population.compare()
    assert (figures.posts_before, figures.posts_now) == (1100, 41)
    assert [(week.begins, week.posts, week.enough) for week in figures.weeks] == [
        ("2001-08-26T01:46:40Z", 600, True), ("2001-09-02T01:46:40Z", 500, True), ("2001-09-09T01:46:40Z", 41, False),
    ]  # fmt: skip
    alone = Population(begins_s)
    alone.add(make_verdict("alone"), None)
    assert not any(week.enough for week in alone.compare().weeks)
    first, second, _ = figures.weeks
    assert (first.languages, second.languages) == ({"en": 1.0}, {"de": 1.0})
    assert (first.decisions, second.decisions) == ({"allow": 1.0}, {"review": 1.0})
    assert {each.what for each in first.moved[:2]} == {"language", "decision"}
    assert figures.figures == compare(population.before, population.now).figures
    page = write_drift(figures)
    assert "2001-09-02 01:46" in page
    assert "de 100.0%" in page
    assert "too few posts" in page


def test_prometheus_reads_the_file() -> None:
    families = {each.name: each for each in text_string_to_metric_families(write_metrics(compare(Window(), Window())))}
    assert {sample.labels["what"] for sample in families["sluice_drift_index"].samples} == {
        "language",
        "decision",
        *LABELS,
    }
