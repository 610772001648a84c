"""Forgiving base64: what the WHATWG's own examples and rules say, and nothing more."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.media.data_uri import decode_base64, split_data_uri


@given(st.binary(max_size=200))
def test_padding_may_be_missing(content: bytes) -> None:
    text = base64.b64encode(content).decode()
    assert decode_base64(text) == decode_base64(text.rstrip("=")) == content


@pytest.mark.parametrize(
    ("text", "content"), [("ab", b"i"), ("ab==", b"i"), ("abc", b"i\xb7"), ("abc=", b"i\xb7"), ("", b"")]
)
def test_bits_that_fill_no_byte_are_dropped(text: str, content: bytes) -> None:
    assert decode_base64(text) == content


@pytest.mark.parametrize("text", ["a", "a===", "ab=", "abcd=", "ab=c", "a-_b", "ab\xe4c", "===="])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64"):
        decode_base64(text)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("data:image/png;base64,YWJj", ("image/png", "YWJj")),
        ("DATA:Image/PNG;charset=x;BASE64,YW Jj\r\n", ("image/png", "YWJj")),
        ("data:;base64,YWJj", ("", "YWJj")),
        ("data:image/png; base64 ,YWJj", ("image/png", "YWJj")),
        ("data:image/png;base64,YW%4Aj%3D%20", ("image/png", "YWJj=")),
        ("data:image/png,YWJj", None),
        ("data:image/png;base64", None),
        ("data:image/png,;base64,YWJj", None),
        ("https://example.org/a.png", None),
    ],
)
def test_the_head_of_a_data_uri(uri: str, parts: tuple[str, str] | None) -> None:
    assert split_data_uri(uri) == parts
