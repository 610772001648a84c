"""The sentences in many languages: every slot is there, every label is one, and nothing stands twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from sluice.contract import HARMS
from sluice.errors import SettingsError
from sluice_models.recipes.text.multilingual import Language, fill, load_languages

LANGUAGES = load_languages()

each_language = pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.lang)


def test_the_languages_people_ask_for_are_there() -> None:
    assert {language.lang for language in LANGUAGES} >= {
        "en",
        "zh",
        "de",
        "es",
        "fr",
        "ar",
        "ru",
        "pt",
        "hi",
        "ja",
        "ko",
    }


@each_language
def test_labels_are_ours_and_hold_or_are_open(language: Language) -> None:
    for kind in language.families:
        assert set(kind.labels) | set(kind.open) <= set(HARMS)
        assert not set(kind.labels) & set(kind.open)


@each_language
def test_a_kind_stands_once_and_its_pair_is_there(language: Language) -> None:
    kinds = Counter(kind.kind for kind in language.families)
    assert max(kinds.values()) == 1
    assert {kind.pair for kind in language.families if kind.pair} <= set(kinds)


@each_language
def test_harmful_sentences_have_harmless_ones_beside_them(language: Language) -> None:
    harmful = sum(len(kind.sentences) for kind in language.families if kind.labels)
    harmless = sum(len(kind.sentences) for kind in language.families if not kind.labels)
    assert harmful > 80
    assert harmless > 100


@each_language
def test_every_sentence_can_be_filled(language: Language) -> None:
    rng = random.Random(0)
    for kind in language.families:
        for sentence in kind.sentences:
            text = fill(rng, sentence, language.slots)
            assert text
            assert not set(text) & set("{|}")
            assert text.count("[") == text.count("]") <= (1 if kind.labels else 0), sentence


@each_language
def test_no_sentence_stands_twice(language: Language) -> None:
    counts = Counter(sentence for kind in language.families for sentence in kind.sentences)
    assert [sentence for sentence, count in counts.items() if count > 1] == []


def test_slots_nest_and_alternatives_may_be_empty() -> None:
    slots = {"who": ("{name} and {name}",), "name": ("Ana", "Bo")}
    texts = {fill(random.Random(seed), "{who} {sing|} here", slots) for seed in range(50)}
    assert {text.split(" ")[0] for text in texts} == {"Ana", "Bo"}
    assert {text.endswith("sing here") for text in texts} == {True, False}


def test_a_mistake_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("lang: common\nslots: {}\n")
    (tmp_path / "xx.yaml").write_text("lang: xx\nslots: {}\nfamilies:\n- kind: threat\n")
    with pytest.raises(SettingsError, match=r"xx\.yaml"):
        load_languages(tmp_path)
