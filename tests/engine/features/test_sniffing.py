import pytest

from sluice.features.sniffing import MAX_LEADING_BYTES, name_of, strip_leading


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x18ftypavif", "AVIF"), (b"\0\0\0\x18ftypM4A ", "M4A"),
        (b"\0\0\0\x18ftyp3gp4", "3GP"), (b"\x1aE\xdf\xa3", "WebM"), (b"#!AMR\n", "AMR"), (b"caff\0\1", "CAF"),
        (b"\xff\xf1\x50", "AAC"), (b"\xff\xfb\x90", "MP3"), (b"<!-- x --><svg", "SVG"), (b"<!DOCTYPE html>", "HTML"),
        (b"hello", None), (b"", None), (b"\xff", None),
    ],
)  # fmt: skip
def test_files_are_named_by_how_they_begin(content: bytes, name: str | None) -> None:
    assert name_of(content) == name


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\0" * 900, b"words\n"])
def test_what_stands_before_a_file_is_left_out(before: bytes) -> None:
    assert strip_leading(before + b"\x89PNG\r\n\x1a\nrest") == b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"\0" * 900, b"words\n"])
@pytest.mark.parametrize("brand", [b"M4A ", b"avif", b"heic", b"3gp4"])
def test_the_zeros_of_a_box_belong_to_it(before: bytes, brand: bytes) -> None:
    assert strip_leading(before + b"\0\0\0\x18ftyp" + brand) == b"\0\0\0\x18ftyp" + brand


def test_a_beginning_far_behind_is_not_looked_for() -> None:
    content = b"x" * MAX_LEADING_BYTES + b"\x89PNG\r\n\x1a\n"
    assert strip_leading(content) == content
