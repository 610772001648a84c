"""Harmful texts of other kinds: none that training sees, each one changed where a trick is said to change it."""

import io

import numpy as np
import pytest
from rich.console import Console

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import hard_texts as module
from sluice_models.measure.hard_texts import HARD_TEXTS, find_sentences, find_tricked, teach_hard_texts
from sluice_models.measure.obfuscation import TRICKS
from sluice_models.recipes.text.drawing import fill_held_out
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages

pytestmark = pytest.mark.torch
THREAT = LABELS.index("threat")


def make_example(text, lang="en", truth=1.0):
    targets = np.full(len(LABELS), np.nan, np.float32)
    targets[THREAT] = truth
    return Example(text, text, None, lang, targets, "made")


def test_sentences_are_harmful_and_of_all_languages():
    rows = find_sentences([])
    assert all((row.targets == 1).any() for row in rows)
    assert {row.lang for row in rows} >= {language.lang for language in load_languages()}
    trained = {row.text for row in fill_held_out(keep_sentences(load_languages(), held_out=False), 1, seed=1)}
    assert not trained & {row.text for row in rows}


def test_every_trick_changes_positives_and_leaves_others_alone(monkeypatch):
    monkeypatch.setattr(module, "PER_TRICK", 5)
    harmful = [make_example(f"hurting somebody called number {n} again tomorrow evening") for n in range(9)]
    rows = find_tricked([*harmful, make_example("the garden is open", truth=0.0), make_example("nichts", lang="de")])
    known = {row.text for row in harmful}
    assert not known & {row.text for row in rows}
    assert len(TRICKS) * 4 <= len(rows) <= len(TRICKS) * 5
    assert all(row.targets[THREAT] == 1 for row in rows)
    assert [row.text for row in rows] == [row.text for row in find_tricked(harmful)]


def test_kinds_without_texts_are_left_out(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(module, "teach_all", lambda rows, *arguments: asked.append(len(rows)))
    found = teach_hard_texts([], tmp_path, Console(file=io.StringIO()))
    assert list(found) == list(HARD_TEXTS)[:1]
    assert len(asked) == 1
