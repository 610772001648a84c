"""Which languages are read: those with texts enough that are told apart well enough."""

import json

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.schema import LABELS
from sluice_models.measure import read_languages as module
from sluice_models.measure.read_languages import (
    MIN_AUROC,
    MIN_EACH,
    MIN_TEXTS,
    LanguageRow,
    choose_languages,
    gather_texts,
    measure_languages,
)
from tests.models.recipes.text.rows import make_example, make_harmless

pytestmark = pytest.mark.torch
SPAM, FIRE = LABELS.index("spam"), LABELS.index("fire")


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (LanguageRow("de", MIN_TEXTS // 2, MIN_TEXTS // 2, MIN_AUROC), True),
        (LanguageRow("de", MIN_TEXTS // 2, MIN_TEXTS // 2 - 1, 0.99), False),
        (LanguageRow("de", MIN_EACH - 1, MIN_TEXTS, 0.99), False),
        (LanguageRow("de", MIN_TEXTS, MIN_TEXTS, MIN_AUROC - 0.01), False),
        (LanguageRow("de", MIN_TEXTS, 0, float("nan")), False),
    ],
)
def test_a_language_is_read_with_texts_enough_and_well_enough(row, read):
    assert row.is_read is read
    assert choose_languages([row, LanguageRow("ab", 999, 999, 1.0)]) == (["ab", "de"] if read else ["ab"])


def test_the_highest_harm_counts_and_cues_do_not():
    rows = [make_example(str(n), lang="it", spam=n % 2) for n in range(8)]
    scores = np.full((8, len(LABELS)), 0.1, np.float32)
    scores[::2, FIRE] = 0.9
    scores[1::2, SPAM] = 0.5
    (row,) = measure_languages(scores, rows)
    assert (row.language, row.n_harmful, row.n_harmless, row.auroc) == ("it", 4, 4, 1.0)


def test_texts_are_harmful_or_benign_ones_and_sentences_that_are_held_out():
    rows = [make_example("unknown", toxicity=np.nan), make_harmless("hello"), make_example("you fool", toxicity=1)]
    texts = [row.text for row in gather_texts(rows)]
    assert {"hello", "you fool"} <= set(texts)
    assert "unknown" not in texts
    assert len({row.lang for row in gather_texts([])}) >= 15


class AllAlike:
    """Stands for a scorer to which every text is the same."""

    def __init__(self, _encoder):
        pass

    def score(self, texts):
        return np.full((len(texts), len(LABELS)), 0.5, np.float32)


def test_the_command_prints_every_language_and_writes_those_that_are_read(tmp_path, bundle, monkeypatch):
    monkeypatch.setattr(module, "load_encoders", lambda *_: [None])
    monkeypatch.setattr(module, "TextScorer", AllAlike)
    (tmp_path / "text_encoder").mkdir()
    app = Typer()
    app.command()(module.main)
    options = ["--bundle", str(bundle), "--repository", str(tmp_path), "--write"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert "| de | " in result.stdout
    assert json.loads((tmp_path / "text_encoder" / "languages.json").read_text()) == []  # 0.5 is chance
    lines = CliRunner().invoke(app, [*options, "--json"]).stdout.splitlines()
    assert {json.loads(line)["is_read"] for line in lines} == {False}
