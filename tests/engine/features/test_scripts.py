"""Words by writing system, without what says nothing about the language."""

from __future__ import annotations

import pytest

from sluice.features.scripts import find_words, weigh


def test_words_are_found_by_script_in_order() -> None:
    assert find_words("Привет, my friend. Это 東京!") == {
        "Cyrl": ["Привет", "Это"],
        "Latn": ["my", "friend"],
        "Hani": ["東京"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12 34.5 4th",
        "https://example.org/ein-pfad www.beispiel.example/oui",
        "@ein_name #derTag jemand@example.org",
        "\N{GRINNING FACE}\N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}",
        "ಠ_ಠ ¯\\_(ツ)_/¯ π = Ω",
    ],
)
def test_links_handles_numbers_pictographs_and_drawn_faces_are_no_words(text: str) -> None:
    assert find_words(text) == {}


def test_look_alike_letters_count_as_the_others_of_their_word() -> None:
    assert find_words("a wоnderful dаy") == {"Latn": ["a", "wonderful", "day"]}


def test_unseen_characters_and_stacked_marks_split_no_word() -> None:
    assert find_words("won\u200bder\u00adful d\u0335\u0336ay") == {"Latn": ["wonderful", "day"]}


def test_letters_drawn_out_are_written_once() -> None:
    assert find_words("sooooo good") == {"Latn": ["so", "good"]}


def test_kana_and_han_are_one_script_and_a_single_kana_is_decoration() -> None:
    assert find_words("お茶を飲む") == {"Hani": ["お茶を飲む"]}
    assert find_words("nice の day") == {"Latn": ["nice", "day"]}


def test_a_sign_of_a_dense_script_weighs_several_letters() -> None:
    assert (weigh("Latn", ["tea"]), weigh("Hani", ["茶"]), weigh("Hang", ["차"])) == (3, 3, 2)


@pytest.mark.parametrize(
    "text",
    [
        "Don't stop, y'all: rock'n'roll 'til 9pm",
        "a_b x'' 'quoted' URL mail me@example.org",
        "sooooo good",
        "' ''",
        "a1b c",
    ],
)
def test_plain_text_has_the_words_that_it_has_beside_a_sign_of_another_script(text: str) -> None:
    beside = find_words(f"{text} 東")
    assert beside.pop("Hani") == ["東"]
    assert find_words(text) == beside
