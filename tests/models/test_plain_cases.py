"""What the shipped models and the default policy decide on plain sentences that no training saw."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.schema import Decision, Post
from sluice_models.measure import functional
from sluice_models.recipes.fusion import pairs
from sluice_models.recipes.text import templates
from tests.models.onnx_classifier import open_pipeline

pytestmark = pytest.mark.torch

CASES = yaml.safe_load(Path(__file__).with_name("plain_cases.yaml").read_text("utf-8"))
HAN = re.compile("[\u4e00-\u9fff]")
SLOT = re.compile(r"\{(\w+)\}")
NOT_TELLING = re.compile("_|[^\\w\u2600-\u27bf\U0001f000-\U0001faff]")
MIN_RIGHT = 54
SHORTEST = 6
"""A template with fewer characters of its own (a greeting) says nothing about where a sentence is from."""


async def decide(texts: list[str]) -> list[Decision]:
    async with open_pipeline() as pipeline:
        verdicts = await asyncio.gather(*(pipeline.score(Post(id=text, text=text)) for text in texts))
    return [verdict.decision for verdict in verdicts]


def test_there_are_as_many_cases_of_each_kind_in_each_language() -> None:
    for cases in (CASES["harmful"], CASES["harmless"]):
        assert len(set(cases)) == 30
        assert sum(bool(HAN.search(case)) for case in cases) == 15


async def test_plain_cases_are_decided_rightly_and_nothing_harmless_is_blocked() -> None:
    harmful = dict(zip(CASES["harmful"], await decide(CASES["harmful"]), strict=True))
    harmless = dict(zip(CASES["harmless"], await decide(CASES["harmless"]), strict=True))
    missed = [case for case, decision in harmful.items() if decision == "allow"]
    held = [case for case, decision in harmless.items() if decision != "allow"]
    assert not [case for case in held if harmless[case] == "block"]
    assert 60 - len(missed) - len(held) >= MIN_RIGHT, {"missed": missed, "held": held}


async def test_small_ads_of_everyday_life_are_never_blocked() -> None:
    decisions = dict(zip(CASES["small_ads"], await decide(CASES["small_ads"]), strict=True))
    assert not [ad for ad, decision in decisions.items() if decision == "block"]


@lru_cache
def pattern_of(sentence: str, source: str) -> str:
    """A regular expression of everything that a template can be filled to; spaces and punctuation do not count."""
    pieces = SLOT.split(sentence)
    return "".join(fillings_of(piece, source) if i % 2 else re.escape(plain(piece)) for i, piece in enumerate(pieces))


@lru_cache
def fillings_of(slot: str, source: str) -> str:
    return "(?:" + "|".join(pattern_of(filling, source) for filling in SOURCES[source].slots[slot]) + ")"


def plain(text: str) -> str:
    """Letters, digits and pictographs: a template that says its point in pictographs is not held by a case without."""
    return NOT_TELLING.sub("", text.lower())


SOURCES: dict[str, Any] = {
    "training": templates.load_templates(),
    "pairs": pairs.load_pairs(),
    "functional": functional.load_tests(),
}


@pytest.mark.parametrize("source", SOURCES)
def test_no_case_holds_a_template(source: str) -> None:
    sentences = {sentence for family in SOURCES[source].families for sentence in family.sentences}
    telling = [sentence for sentence in sorted(sentences) if len(plain(SLOT.sub("", sentence))) >= SHORTEST]
    cases = [plain(case) for case in CASES["harmful"] + CASES["harmless"] + CASES["small_ads"] + CASES["marked"]]
    assert telling
    assert not [sentence for sentence in telling if any(is_filled(sentence, case, source) for case in cases)]


def is_filled(sentence: str, case: str, source: str) -> bool:
    """Whether a case holds a filling of a sentence; most need no more than a look at what stands between the slots."""
    fixed = [plain(piece) for piece in SLOT.split(sentence)[::2]]
    return all(piece in case for piece in fixed) and bool(re.search(pattern_of(sentence, source), case))


def test_the_check_above_can_find_a_template() -> None:
    assert is_filled("See you at {meal} {day}", plain("Fine, see you at lunch tomorrow!"), "training")
    assert not is_filled("See you at {meal} {day}", plain("Fine, see you at noon tomorrow!"), "training")
