"""Tricks that hide words: what they do to a text, what is reported, and that training does not know them."""

import ast
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import sluice_models
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.obfuscation import ALL_TRICKS, NEVER_TRAINED, TRICKS, measure_robustness, obfuscate

pytestmark = pytest.mark.torch
TEXT = "perhaps someone reads these silly sentences aloud"
CHINESE = "今天天气真好,我们一起去公园散步吧"


def make_row(text, lang="en", toxicity=0):
    targets = np.full(len(LABELS), np.nan, np.float32)
    targets[LABELS.index("toxicity")] = toxicity
    return Example(text, text, None, lang, targets, "made")


@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick_changes_the_spelling_and_is_repeatable(trick):
    changed = obfuscate(TEXT, trick, random.Random(1))
    assert changed != TEXT
    assert changed == obfuscate(TEXT, trick, random.Random(1))
    assert len(changed.split(" ")) >= len(TEXT.split(" "))


@pytest.mark.parametrize("trick", [name for name, trick in TRICKS.items() if trick.in_chinese])
def test_tricks_for_chinese_change_chinese_and_keep_its_characters(trick):
    changed = [obfuscate(CHINESE, trick, random.Random(seed)) for seed in range(4)]
    assert any(text != CHINESE for text in changed)
    assert all([c for c in text if c in CHINESE] == list(CHINESE) for text in changed)


@pytest.mark.parametrize("trick", TRICKS)
def test_short_and_mixed_words_are_no_trouble(trick):
    for text in ("", "a", "ab 好的 abc 123 !!! ok 我们", "abc"):
        for seed in range(8):
            assert obfuscate(text, trick, random.Random(seed)).count(" ") >= text.count(" ")


def test_hidden_gaps_and_spaces_keep_the_letters():
    for trick in ("spacing", "zero-width"):
        changed = obfuscate(TEXT, trick, random.Random(1))
        assert "".join(c for c in changed if unicodedata.category(c) not in ("Zs", "Cf")) == TEXT.replace(" ", "")


def test_full_width_letters_are_the_same_after_compatibility_folding():
    assert unicodedata.normalize("NFKC", obfuscate(TEXT, "full-width letters", random.Random(1))) == TEXT


def test_robustness_is_measured_where_there_are_rows_enough(scorer):
    rows = [make_row(f"sentence number {i} of the lot", toxicity=i % 2) for i in range(60)]
    reports = measure_robustness(scorer, rows, n_rows=50)
    assert {report.trick for report in reports} == {*TRICKS, ALL_TRICKS, NEVER_TRAINED}
    unseen = next(report for report in reports if report.trick == "zero-width")
    assert unseen.drop.value == pytest.approx(0, abs=1e-6)  # the extractor takes them out


def test_the_row_for_all_tricks_is_their_mean(scorer):
    rows = [make_row(f"{CHINESE}{i}", "zh", i % 2) for i in range(60)]
    reports = {report.trick: report for report in measure_robustness(scorer, rows, n_rows=60)}
    tricks = [name for name, trick in TRICKS.items() if trick.in_chinese]
    assert set(reports) == {*tricks, ALL_TRICKS, NEVER_TRAINED}
    for row, chosen in ((ALL_TRICKS, tricks), (NEVER_TRAINED, [name for name in tricks if not TRICKS[name].trained])):
        assert reports[row].tricked.value == pytest.approx(np.mean([reports[name].tricked.value for name in chosen]))
        assert reports[row].kept == pytest.approx(reports[row].tricked.value / reports[row].plain.value)


def imports_of(file):
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def test_no_training_code_imports_the_tricks():
    folder = Path(sluice_models.__file__).parent
    training = [file for room in ("recipes", "training") for file in (folder / room).rglob("*.py")]
    assert len(training) > 4
    assert not [file.name for file in training if "sluice_models.measure.obfuscation" in imports_of(file)]
    assert "sluice_models.recipes.text.noise" not in imports_of(folder / "measure" / "obfuscation.py")
