import pytest

from sluice.features.packets import Opus, open_codec


@pytest.mark.parametrize(
    ("packet", "n_samples"),
    [(b"", 0), (b"\x00", 480), (b"\x18", 2880), (b"\x61", 960), (b"\xf8", 960), (b"\xe3\x05", 600), (b"\x03", 0)],
)
def test_opus_packets_tell_their_length(packet: bytes, n_samples: int) -> None:
    assert Opus().count(packet) == n_samples


@pytest.mark.parametrize(
    "headers", [[], [b"fishead"], [b"\x01vorbis"], [b"\x01vorbis" + bytes(23), b"", b""], [b"\x7fFLAC", b"", b""]]
)
def test_other_streams_are_not_counted(headers: list[bytes]) -> None:
    assert open_codec(headers) is None
