"""Figures on telling languages apart, over sentences of ours."""

from __future__ import annotations

from sluice_models.measure.languages import LENGTHS, MIXED, compose, propose_limits, report, weigh

ROWS = [
    ("en", "ours", "We met at the station and walked home together."),
    ("en", "ours", "ok"),
    ("de", "ours", "Morgen gehen wir zusammen in den Park."),
    ("de", "ours", "See you in the park tomorrow, my friend."),
    ("th", "ours", "พรุ่งนี้ไปสวนสาธารณะกันเถอะ"),
]


def test_shares_are_counted_by_length_and_by_language() -> None:
    rows = {row.what: row for row in report(weigh(ROWS))}
    assert (rows["en"].n_texts, rows["en"].right, rows["en"].undetermined, rows["en"].unread) == (2, 0.5, 0.5, 0.0)
    assert (rows["de"].right, rows["de"].unread) == (0.5, 0.5)
    assert rows["th"].unread == 1.0
    assert rows["read, 0 to 9 letters"].n_texts == 1
    assert rows["other, 30 to 49 letters"].n_texts == 2


def test_a_limit_is_proposed_that_few_english_texts_fall_below() -> None:
    assert propose_limits(weigh(ROWS))[30] == 0.1
    foreign = [("en", "ours", "Morgen gehen wir alle zusammen in den großen Park.")] * 50
    assert propose_limits(weigh(foreign))[30] == 0.0


def test_which_half_a_text_is_in_depends_on_nothing_else() -> None:
    assert [row.chosen_on for row in weigh(ROWS)] == [row.chosen_on for row in weigh(list(reversed(ROWS)))][::-1]


def test_one_foreign_sentence_stands_among_english_ones() -> None:
    rows = [
        ("en", "sst2", "We met at the station."),
        ("de", "tatoeba", "Morgen gehen wir alle zusammen in den Park."),
        ("de", "tatoeba", "Kurz."),
    ]
    composed = compose(rows, 20)
    assert {(lang, source) for lang, source, _ in composed} == {("de", MIXED)}
    assert all("Morgen gehen wir" in text and "Kurz" not in text for _, _, text in composed)
    assert {text.count("We met") for _, _, text in composed} == {2, 4, 6, 8}
    assert len(rows[1][2]) >= LENGTHS[2]
    (found,) = (row for row in report(weigh(composed)) if row.what.startswith("English, one"))
    assert (found.n_texts, found.unread) == (20, 1.0)
