"""Hidden words are spelled plainly; harmless spellings stay as they are; every character knows where it came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.folding import MAX_NAMED, prepare


def folded(text: str) -> str:
    return prepare(text)[0]


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ("I d1sl1ke th0se th1ngs", "I dislike those things"),
        ("5illy p3op1e", "silly peopie"),
        ("g o  a w a y now", "g o away now"),
        ("s.t.u.p.i.d and s-i-l-l-y", "stupid and silly"),
        ("ѕtuріd", "stupid"),
        ("Ηello", "Hello"),
        ("ι ωιℓℓ нєℓρ уσυ", "i will help you"),
        ("soooo baaad", "so bad"),
        ("笨 蛋", "笨蛋"),
        ("笨*蛋", "笨蛋"),
        ("you will ye11 and be ca11ed", "you will yell and be called"),
        ("dr1nk3r5", "drinkers"),
        ("DR1NK UP N0W", "DRINK UP NOW"),
        ("h̷e̷l̷l̷o̷ t̲h̲e̲r̲e̲", "hello there"),
        ("yOuLiKeIt ReAlLy, IREALLYDOLIKEIT", "youlikeit really, ireallydolikeit"),
        ("we_all_like_you", "we all like you"),
        ("🅷🅴🅻🅻🅾 🅨🅞🅤", "hello you"),
        ("ʜᴇʟʟᴏ ʏᴏᴜ", "hello you"),
        ("м-о-л-о-к-о и хлеб", "молоко и хлеб"),
        ("spaced    out", "spaced out"),
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
        "win11 since Nov11",
        "snake_case and _private",
        "Мама, тор, Тоска и какао",
        "οι νύχτες, το ρύζι και το τυρί",
        "NaCl, McDonald, iPhone, YoYo and a LaTeX file",
        "commit a55b00b5 and B00B5A55 fixed it",
        "она говорит: няня",
        "μm, Ωm and αλφα",
        "był zły, ılık su, kød på bordet, đi về nhà",
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
    ],
)
def test_a_pictograph_is_followed_by_its_name(text: str, words: str) -> None:
    plain, origin = prepare(text)
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


def test_look_alikes_are_another_script_unless_nearly_all_around_them_is_latin() -> None:
    assert folded("Мама said hello to the whole town today") == "Mama said hello to the whole town today"
    assert folded("сосо сосо and now") == "сосо сосо and now"


@pytest.mark.parametrize(
    ("text", "hidden", "plain"),
    [
        ("you are s t u p i d today", "s t u p i d", "stupid"),
        ("you are <b>st</b>upid today", "st</b>upid", "stupid"),
        ("you are &#115;tupid today", "&#115;tupid", "stupid"),
        ("you are st%75pi%64 to%64ay", "st%75pi%64", "stupid"),
        ("you are **st**_upid_ today", "**st**_upid", "stupid"),
    ],
)
def test_a_character_knows_where_it_came_from(text: str, hidden: str, plain: str) -> None:
    read, origin = prepare(text)
    start = read.index(plain)
    assert text[origin[start] : origin[start + len(plain)]].rstrip("_") == hidden


def test_in_a_stretch_that_was_turned_round_too() -> None:
    text = "see \u202euoy llik ot\u202c there"
    read, origin = prepare(text)
    assert read == "see to kill you there"
    assert [text[place] for place in origin[4:15]] == list("to kill you")


PIECES = ["ab", "е", "а", "о", "0", "4", "$", ".", " ", "-", "你", "好", "ñ", "x", "!", "😀", "🐵", "🇳🇬", "<b>", "</b>"]
CODES = ["&amp;", "&#107;", "%20", "%6b", "*", "_", "11", "\n", "\u200b", "🅰", "ᴀ", "</p>", "🏴"]
MESSY = st.lists(st.sampled_from(PIECES + CODES), max_size=40).map("".join)


@given(MESSY)
def test_any_text_keeps_its_order_and_its_end(text: str) -> None:
    read, origin = prepare(text)
    assert len(origin) == len(read) + 1
    assert origin[-1] == len(text)
    assert (np.diff(origin) >= 0).all()
    assert (origin >= 0).all()


@given(st.text(max_size=200))
def test_any_characters_at_all_stay_inside_the_text(text: str) -> None:
    read, origin = prepare(text)
    assert len(origin) == len(read) + 1
    assert ((origin >= 0) & (origin <= len(text))).all()


@given(st.text(st.sampled_from("abc. \u202e\u202c"), max_size=30))
def test_of_turned_stretches_every_character_is_the_one_it_came_from(text: str) -> None:
    read, origin = prepare(text)
    assert [text[place] for place in origin[:-1]] == list(read)


@pytest.mark.parametrize("text", ["a_", "a-", "<a ", "*", "\u202e", "🇳🇬", "&#1", "%6", "aa1", "а"])
def test_work_grows_with_the_text_and_not_with_its_square(text: str) -> None:
    assert prepare(text * 20_000 + "1")[0]
