import struct

import pytest

from sluice.features.riff import repair_sizes

SOUND = bytes(range(200))


def make_wav(data_size: int, riff_size: int | None = None, tail: bytes = b"") -> bytes:
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 8_000, 1, 8)
    body = b"WAVE" + form + b"data" + struct.pack("<I", data_size) + SOUND + tail
    return b"RIFF" + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


RIGHT = make_wav(len(SOUND))


def test_a_right_file_comes_back_as_it_is() -> None:
    assert repair_sizes(RIGHT)[0] is RIGHT
    with_list = make_wav(len(SOUND), tail=b"LIST\4\0\0\0INFO")
    assert repair_sizes(with_list)[0] is with_list


@pytest.mark.parametrize("riff_size", [0, 8, 2**32 - 1])
@pytest.mark.parametrize("data_size", [0, 20, 2**32 - 1])
def test_wrong_sizes_are_mended(data_size: int, riff_size: int) -> None:
    assert repair_sizes(make_wav(data_size, riff_size)) == (RIGHT, None)


def test_what_is_missing_is_said() -> None:
    content, cut = repair_sizes(make_wav(1_000))
    assert (content, cut) == (RIGHT, "200 of 1000 bytes of sound are there")


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", b"OggS"]
)
def test_other_bytes_come_back_as_they_are(content: bytes) -> None:
    assert repair_sizes(content) == (content, None)


@pytest.mark.parametrize(("declared", "size"), [(200, 2**32 - 1), (20, 2**32 - 1), (0, 2**32 - 1), (200, 200)])
def test_rf64_becomes_riff_with_the_sizes_that_it_has(declared: int, size: int) -> None:
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 0, declared, 0, 0)
    content = make_wav(size)
    mended, cut = repair_sizes(b"RF64" + content[4:12] + sizes + content[12:])
    assert cut is None
    assert mended[4:8] == struct.pack("<I", len(mended) - 8)
    assert mended.startswith(b"RIFF")
    assert mended.endswith(RIGHT[12:])


def test_what_an_rf64_lacks_is_said() -> None:
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 0, 1_000, 0, 0)
    content = make_wav(2**32 - 1)
    assert repair_sizes(b"RF64" + content[4:12] + sizes + content[12:])[1] == "200 of 1000 bytes of sound are there"
