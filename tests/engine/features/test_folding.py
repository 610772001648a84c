"""Hidden words are spelled plainly; harmless spellings stay as they are; every character knows where it came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.folding import MAX_NAMED, fold
from sluice.features.text import normalise


def folded(text: str) -> str:
    return fold(*normalise(text))[0]


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ("I d1sl1ke th0se th1ngs", "I dislike those things"),
        ("5illy p3op1e", "silly peopie"),
        ("g o  a w a y now", "g o  away now"),
        ("s.t.u.p.i.d and s-i-l-l-y", "stupid and silly"),
        ("ѕtuріd", "stupid"),
        ("Ηello", "Hello"),
        ("soooo baaad", "so bad"),
        ("笨 蛋", "笨蛋"),
        ("笨*蛋", "笨蛋"),
    ],
)
def test_hidden_words_are_spelled_plainly(hidden: str, plain: str) -> None:
    assert folded(hidden) == plain


@pytest.mark.parametrize(
    "text",
    [
        "The 4th of July, a 5km run and 3 mp3 files",
        "covid19 and win10 at 10am",
        "привет мир",
        "ελληνικά",
        "e-mail, re-do, co-op",
        "www xxx 1 2 3 4",
        "a book too good for all",
        "他说,好的。",
        "$100 or 5$",
    ],
)
def test_harmless_spellings_stay(text: str) -> None:
    assert folded(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("you \N{MONKEY FACE}", "monkey"),
        ("\N{BLACK HEART SUIT}", "heart"),
        ("\N{MAN}\N{EMOJI MODIFIER FITZPATRICK TYPE-6}", "man dark skin"),
        ("\N{REGIONAL INDICATOR SYMBOL LETTER C}\N{REGIONAL INDICATOR SYMBOL LETTER N}", "c n"),
    ],
)
def test_a_pictograph_is_followed_by_its_name(text: str, words: str) -> None:
    plain, origin = fold(*normalise(text))
    latin = [word for word in plain.split() if word.isascii() and word != "you"]
    assert latin == words.split()
    named = plain.index(latin[0])
    assert text[origin[named]] == next(character for character in text if not character.isascii())


def test_a_run_of_one_pictograph_is_named_once() -> None:
    assert folded("\N{MONKEY FACE}" * 9).split() == ["\N{MONKEY FACE}" * 9, "monkey"]


def test_a_text_of_pictographs_alone_grows_by_no_more_than_the_names_of_some() -> None:
    text = "\N{MONKEY FACE}\N{DOG FACE}" * 5_000
    plain = folded(text)
    assert plain.count("monkey") + plain.count("dog") == MAX_NAMED
    assert plain.endswith(text[-100:])


def test_a_sign_without_a_name_stays() -> None:
    assert folded("a \U0001faff b") == "a \U0001faff b"


def test_a_character_knows_where_it_came_from() -> None:
    text = "you are s t u p i d today"
    plain, origin = fold(*normalise(text))
    start = plain.index("stupid")
    assert text[origin[start] : origin[start + 6]] == "s t u p i d"


@given(st.text(alphabet=st.sampled_from("abеаo04$ .-你好ñx!😀🐵"), max_size=60))
def test_any_text_keeps_its_order_and_its_end(text: str) -> None:
    normalised, before = normalise(text)
    plain, origin = fold(normalised, before)
    assert len(origin) == len(plain) + 1
    assert origin[-1] == len(text)
    assert (np.diff(origin) >= 0).all()
