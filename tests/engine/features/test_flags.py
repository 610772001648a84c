"""Flags become names of countries; other regional letters are letters."""

import pytest

from sluice.features.flags import FLAGS, PARTS, read_flags, read_part


def regional(letters: str) -> str:
    return "".join(chr(0x1F1E6 + ord(each) - ord("a")) if each.isalpha() else each for each in letters)


@pytest.mark.parametrize(
    ("letters", "read"),
    [
        ("ng", " Nigeria "),
        ("psua", " Palestine  Ukraine "),
        ("frfrfr", " France "),
        ("un", " United Nations "),
        ("zz", "zz"),
        ("hello", "hello"),
        ("n g", "ng"),
        ("d\u200be f\u200br", "d\u200be f\u200br"),
    ],
)
def test_regional_letters(letters: str, read: str) -> None:
    match = FLAGS.fullmatch(regional(letters))
    assert match
    assert read_flags(match) == read


@pytest.mark.parametrize(("letters", "read"), [("gbsct", " Scotland "), ("gbxyz", "\N{WAVING BLACK FLAG}")])
def test_parts_of_countries(letters: str, read: str) -> None:
    tags = "".join(chr(0xE0000 + ord(each)) for each in letters)
    match = PARTS.fullmatch(f"\N{WAVING BLACK FLAG}{tags}\U000e007f")
    assert match
    assert read_part(match) == read
