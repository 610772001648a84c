import msgspec
import numpy as np
import pytest

from sluice.contract import ALL_PAGES_PIXELS
from sluice.decoding import wire
from sluice.features import IMAGE_SIZE_PX, AudioRow, Features, ImageRow, Page, Print, Speech

PIXELS = np.zeros((3, IMAGE_SIZE_PX, IMAGE_SIZE_PX), dtype=np.uint8)
BOX = (0.0, 0.0, 1.0, 1.0)


def answer(pixels: bytes = PIXELS.tobytes(), box: tuple[float, ...] = BOX, n_rows: int = 1) -> bytes:
    return msgspec.msgpack.encode([[[pixels, box]] * n_rows, None])


def test_features_come_back() -> None:
    sent = Features((ImageRow(PIXELS + 7, (0.1, 0.2, 0.3, 0.4)),), "some of it")
    read = wire.read_features(wire.write_features(sent), wire.IMAGE)
    assert np.array_equal(read.rows[0].pixels, sent.rows[0].pixels)
    assert (read.rows[0].box, read.partial) == (sent.rows[0].box, sent.partial)


@pytest.mark.parametrize(
    "body",
    [b"", b"words", answer(b"short"), answer(box=(0.0, 0.0, 2.0, 1.0)), answer(box=(0.5, 0.0, 0.5, 1.0)),
     answer(box=(0.0, 1.0)), answer(n_rows=0), answer(n_rows=33)],
)  # fmt: skip
def test_what_is_no_picture_is_no_answer(body: bytes) -> None:
    with pytest.raises(wire.BadAnswer):
        wire.read_features(body, wire.IMAGE)


def test_pages_come_back_where_they_are_asked_for() -> None:
    page = Page(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3), (0.0, 0.0, 0.5, 1.0))
    body = wire.write_features(Features((ImageRow(PIXELS, BOX),), pages=(page,)))
    (read,) = wire.read_features(body, wire.IMAGE_AND_PAGES).pages
    assert np.array_equal(read.pixels, page.pixels)
    assert read.box == page.box
    assert wire.read_features(body, wire.IMAGE).pages == ()


@pytest.mark.parametrize(
    "page",
    [
        (b"", 20, BOX),
        (bytes(1200), 7, BOX),
        (bytes(1201), 20, BOX),
        (bytes(1200), 20, (0.0, 0.0, 2.0, 1.0)),
        (bytes(3 * ALL_PAGES_PIXELS + 60), 20, BOX),
    ],
)
def test_what_is_no_page_is_no_answer(page: tuple[bytes, int, tuple[float, ...]]) -> None:
    body = msgspec.msgpack.encode([[[PIXELS.tobytes(), BOX]], None, [page]])
    with pytest.raises(wire.BadAnswer):
        wire.read_features(body, wire.IMAGE_AND_PAGES)


@pytest.mark.parametrize(("value", "end_s"), [(2.0, 1.0), (np.nan, 1.0), (0.0, 0.0), (0.0, np.inf)])
def test_what_is_no_clip_is_no_answer(value: float, end_s: float) -> None:
    row = AudioRow(np.full((64, 200), value, dtype=np.float32), 0.0, end_s)
    with pytest.raises(wire.BadAnswer):
        wire.read_features(wire.write_features(Features((row,))), wire.AUDIO)


def test_failures_come_back_with_known_reasons_alone() -> None:
    body = wire.write_failure("truncated", "cut\x1b[2J" + "x" * 999)
    assert wire.read_failure(body, ["truncated"]) == wire.Failure("truncated", "cut[2J" + "x" * 193)
    for bad in (body[:-1], wire.write_failure("made_up", "x")):
        with pytest.raises(wire.BadAnswer):
            wire.read_failure(bad, ["truncated"])


AUDIO_ROW = AudioRow(np.zeros((64, 200), np.float32), 0.0, 4.0)


def test_speech_comes_back_where_it_is_asked_for() -> None:
    speech = Speech(np.arange(24_000, dtype=np.int16), ((1.0, 2.0), (2.5, 3.0)), 7.5)
    body = wire.write_features(Features((AUDIO_ROW,), speech=speech))
    read = wire.read_features(body, wire.AUDIO_AND_SPEECH).speech
    assert read is not None
    assert np.array_equal(read.samples, speech.samples)
    assert (read.stretches, read.left_out_s) == (speech.stretches, 7.5)
    assert wire.read_features(body, wire.AUDIO).speech is None


@pytest.mark.parametrize(
    "speech",
    [
        (b"", [], 0.0),
        (bytes(31_999), [(0.0, 1.0)], 0.0),
        (bytes(32_000), [(0.0, 2.0)], 0.0),
        (bytes(32_000), [(1.0, 0.0)], 0.0),
        (bytes(32_000), [(0.0, 1.0)], -1.0),
        (bytes(32_000 * 61), [(0.0, 61.0)], 0.0),
    ],
)
def test_what_is_no_speech_is_no_answer(speech: tuple[bytes, list[tuple[float, float]], float]) -> None:
    row = [AUDIO_ROW.log_mel.tobytes(), (0.0, 4.0)]
    with pytest.raises(wire.BadAnswer):
        wire.read_features(msgspec.msgpack.encode([[row], None, [], speech]), wire.AUDIO_AND_SPEECH)


def test_hashes_of_pictures_come_back() -> None:
    prints = (Print(b"\x0f" * 32, 0), Print(bytes(32), 100))
    body = wire.write_features(Features((ImageRow(PIXELS, BOX),), prints=prints))
    for kind in (wire.IMAGE_AND_PRINTS, wire.IMAGE_PAGES_AND_PRINTS):
        assert wire.read_features(body, kind).prints == prints
    assert wire.read_features(body, wire.IMAGE_AND_PAGES).prints == ()  # nobody asked


@pytest.mark.parametrize("hashed", [(bytes(31), 50), (bytes(32), 101), (bytes(32), -1), ("words", 50)])
def test_what_is_no_hash_is_no_answer(hashed: tuple[object, int]) -> None:
    body = msgspec.msgpack.encode([[[PIXELS.tobytes(), BOX]], None, [], None, [hashed]])
    with pytest.raises(wire.BadAnswer):
        wire.read_features(body, wire.IMAGE_AND_PRINTS)
