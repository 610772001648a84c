"""Sentences around the bundle's dictionary of abusive terms; the terms here are made up."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.lexicon import DICTIONARY, Kind, fill_lexicon, find_kind, load_frames, sort_lexicon

ETHNIC, GENDER, BODY = "racial / ethnic slurs", "sexual orientation / gender", "sexual anatomy / sexual acts"
HATE, VIOLENCE, TOXICITY = (LABELS.index(label) for label in ("hate", "violence", "toxicity"))


def entry(term, severity, *categories):
    meta = {"categories": list(categories), "severity": severity}
    return Example(term, term, None, "en", np.full(len(LABELS), np.nan, np.float32), DICTIONARY, meta)


DICTIONARY_ROWS = [entry("blorp", "Severe", ETHNIC), entry("zwick", "Mild", BODY), entry("tunk", "Mild", GENDER)]


@pytest.mark.parametrize(
    ("categories", "severity", "kind"),
    [
        ([ETHNIC], "Severe", Kind.GROUP),
        ([BODY, "religious offense"], "Strong", Kind.GROUP),
        ([ETHNIC], "Mild", None),
        ([GENDER], "Severe", Kind.GROUP),
        ([GENDER], "Strong", None),
        ([GENDER, BODY], "Severe", None),
        ([BODY], "Severe", Kind.COARSE),
        (["other / general insult"], None, Kind.COARSE),
    ],
)
def test_kind_of_a_term(categories, severity, kind):
    assert find_kind(categories, severity) is kind


def test_terms_come_from_the_dictionary_alone():
    other = Example("k", "a sentence", None, "en", np.zeros(len(LABELS), np.float32), "made", {})
    assert sort_lexicon([*DICTIONARY_ROWS, other]) == {Kind.GROUP: ["blorp"], Kind.COARSE: ["zwick"]}


def test_a_sentence_is_hateful_by_its_term_and_says_where():
    rows = [row for row in fill_lexicon(DICTIONARY_ROWS, 400, 0) if "spans" in row.meta]
    assert {row.text[slice(*row.meta["spans"][0])] for row in rows} == {"blorp", "zwick"}
    for row in rows:
        assert row.targets[HATE] == ("blorp" in row.text)
        assert row.targets[TOXICITY] == 1
        assert row.targets[VIOLENCE] == 0


def test_speaking_of_a_term_is_no_hate_and_leaves_the_rest_open():
    rows = [row for row in fill_lexicon(DICTIONARY_ROWS, 400, 0) if "spans" not in row.meta]
    assert 20 < len(rows) < 100
    assert all(row.targets[HATE] == 0 and np.isnan(row.targets[TOXICITY]) for row in rows)


def test_both_kinds_stand_in_the_same_sentences():
    rows = fill_lexicon(DICTIONARY_ROWS, 6000, 1)
    by_kind = [{row.text.replace(term, "") for row in rows if term in row.text} for term in ("blorp", "zwick")]
    frames = load_frames()
    assert by_kind[0] == by_kind[1] == {one.replace("{term}", "") for one in frames.said + frames.about}


def test_without_the_dictionary_there_is_nothing_to_fill_in():
    assert fill_lexicon([], 10, 0) == []


def test_the_same_seed_gives_the_same_rows():
    first, second = ([row.text for row in fill_lexicon(DICTIONARY_ROWS, 50, seed)] for seed in (3, 3))
    assert first == second
