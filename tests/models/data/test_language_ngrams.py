"""The model that tells languages apart, reduced."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from sluice.errors import SettingsError
from sluice.features.ngrams import Automaton, _link
from sluice_models.data.language_ngrams import (
    MOST_LOG_ODDS,
    RARE_LOG_ODDS,
    NaiveBayes,
    rank_ngrams,
    read_wheel,
    reduce_model,
    spell_ngrams,
)

NGRAMS = [b"the", b"der", b" d", b"th", b"4th", b"\xd0\xb8"]
CLASSES = ["de", "en", "nn", "no", "zu", "ru", "uk", "ar", "hi", "bn"]


@pytest.fixture
def model() -> NaiveBayes:
    odds = np.full((len(NGRAMS), len(CLASSES)), 1.0)
    odds[0, 1], odds[1, 0], odds[3, 1], odds[4, 1], odds[5, 5] = 500.0, 4.0, 8.0, 9.0, 4.0
    return NaiveBayes(NGRAMS, np.log(odds / odds.sum(axis=0)), CLASSES)


def test_the_ngrams_of_an_automaton_are_spelled_as_they_were_given() -> None:
    ngrams = sorted([b"abc", b"bc", b"b", b"xabd"])
    classes = bytes(byte % 256 for byte in range(256))
    table = _link(ngrams, classes, 256).astype(np.int64)
    assert spell_ngrams(table[:, :256], np.where(table[:, 256] == 0xFFFF, -1, table[:, 256])) == ngrams


def test_the_most_telling_ngram_comes_first_and_digits_do_not_count(model: NaiveBayes) -> None:
    ranked = [NGRAMS[place] for place in rank_ngrams(model)]
    assert ranked[0] == b"the"
    assert b"4th" not in ranked
    assert len(ranked) == len(NGRAMS) - 1


def test_varieties_become_one_code_and_rare_languages_have_a_lower_prior(model: NaiveBayes) -> None:
    arrays = reduce_model(model)
    columns = arrays["columns"].tolist()
    assert columns == ["de", "en", "no", "no", "zu", "ru", "uk", "ar", "hi", "bn"]
    assert arrays["scripts"].tolist() == ["Latn"] * 5 + ["Cyrl"] * 2 + ["Arab", "Deva", "Beng"]
    assert arrays["prior"].tolist() == [RARE_LOG_ODDS if code == "zu" else 0.0 for code in columns]
    assert arrays["weights"].max() * float(arrays["step"]) <= MOST_LOG_ODDS
    assert Automaton([bytes(ngram) for ngram in arrays["ngrams"].tolist()]).count(b"the")


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("py3langid/data/model.npz.xz", b"another model")
        archive.writestr("py3langid-0.4.0.dist-info/licenses/LICENSE", "a licence")
    with pytest.raises(SettingsError, match="is not that of py3langid"):
        read_wheel(tmp_path / "other.whl")
    with pytest.raises(SettingsError, match="is not the wheel"):
        read_wheel(tmp_path / "missing.whl")
