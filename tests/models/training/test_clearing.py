"""Which threshold and languages are chosen, on rows made by hand."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.recipes.text.taught import Taught
from sluice_models.training.clearing import MIN_FOUND, Clearing, Looked, choose_clearing

HATE, SPAM = LABELS.index("hate"), LABELS.index("spam")
THRESHOLDS = np.zeros(len(LABELS), np.float32)


def make(groups):
    """Texts of (label or None, whether it is found, language, suspicions)."""
    targets, logits, languages, suspicion = [], [], [], []
    for label, is_found, language, values in groups:
        for value in values:
            targets.append(np.zeros(len(LABELS), np.float32))
            logits.append(np.full(len(LABELS), -3.0, np.float32))
            if label is not None:
                targets[-1][label] = 1
                logits[-1][label] = 2.0 if is_found else -1.0
            languages.append(language)
            suspicion.append(value)
    ids = [np.array([0, 2], np.int32)] * len(suspicion)
    is_whole = np.ones(len(suspicion), np.bool_)
    taught = Taught(ids, is_whole, np.stack(logits), np.stack(targets), np.array(languages))
    return Looked(taught, np.array(suspicion, np.float32))


def choose(groups, read=("de", "en"), harmful=()):
    return choose_clearing(make(groups), THRESHOLDS, read, [make(each) for each in harmful])


def test_of_fewer_than_a_thousand_none_is_lost():
    found = np.linspace(1, 3, 999)
    assert choose([(HATE, True, "en", found), (None, False, "en", np.linspace(-4, 2, 50))]).limits == {"en": 1.0}


def test_of_a_thousand_one_may_be_lost():
    found = np.linspace(1, 3, 1000)
    chosen = choose([(HATE, True, "en", found), (None, False, "en", np.linspace(-4, 2, 50))])
    assert chosen.limits["en"] == pytest.approx(found[1])


def test_every_label_has_a_limit_of_its_own():
    common, rare = np.linspace(1, 3, 2000), [-2.0]
    chosen = choose([(HATE, True, "en", common), (SPAM, True, "en", rare), (None, False, "en", [-4.0] * 9)])
    assert chosen.limits == {"en": -2.0}


def test_positives_that_nobody_finds_limit_nothing():
    chosen = choose([(HATE, True, "en", [1.0] * 600), (HATE, False, "en", [-9.0]), (None, False, "en", [-4.0])])
    assert chosen.limits == {"en": 1.0}


def test_every_language_has_a_limit_of_its_own():
    english, german = [1.0] * 600, [-3.0] + [1.0] * 599
    groups = [(HATE, True, "en", english), (HATE, True, "de", german)]
    benign = [(None, False, code, np.linspace(-4, 0, 100)) for code in ("en", "de")]
    assert choose([*groups, *benign]).limits == {"de": -3.0, "en": 1.0}


def test_a_language_in_which_hardly_anything_would_be_cleared_is_left_out():
    found = [-3.98] + [1.0] * 599
    assert choose([(HATE, True, "en", found), (None, False, "en", np.linspace(-4, 0, 100))]).limits == {}


def test_a_language_in_which_few_are_found_is_never_cleared():
    few = [1.0] * (MIN_FOUND - 1)
    groups = [(HATE, True, "en", [1.0] * 600), (HATE, True, "de", few)]
    assert list(choose([*groups, *((None, False, code, [-4.0] * 99) for code in ("de", "en"))]).limits) == ["en"]


def test_a_language_that_the_text_encoder_does_not_read_is_never_cleared():
    groups = [(HATE, True, code, [1.0] * 600) for code in ("en", "th")]
    assert list(choose([*groups, *((None, False, code, [-4.0] * 99) for code in ("en", "th"))]).limits) == ["en"]


def test_other_harmful_texts_lower_the_limit_where_the_models_flag_them():
    groups = [(HATE, True, "en", [1.0] * 600), (None, False, "en", [-4.0] * 9)]
    kinds = [[(SPAM, True, "en", [0.5, 2.0]), (SPAM, False, "en", [-3.0])], [(SPAM, True, "th", [-3.0])]]
    assert choose(groups, harmful=kinds).limits == {"en": 0.5}


def test_long_texts_and_other_languages_are_not_cleared():
    texts = make([(None, False, "en", [-1.0, -1.0, 1.0]), (None, False, "de", [-1.0]), (None, False, "", [-9.0])])
    texts.taught.is_whole[1] = False
    assert Clearing({"en": 0.0, "de": -2.0}).clears(texts).tolist() == [True, False, False, False, False]
