import base64
import json

import pytest

from sluice.client import INLINE_LIMIT_BYTES, move_inline_media
from sluice.client.inline_media import decode_inline, encode_inline


class KeepingStore:
    def __init__(self):
        self.contents = {}

    def put(self, content, suffix):
        uri = f"file:///store/{len(self.contents)}{suffix}"
        self.contents[uri] = content
        return uri


LARGE = bytes(range(256)) * 300  # 76,800 bytes
LARGE_URI = encode_inline(LARGE, "image/png")


def message(**fields):
    return json.dumps({"id": "p-1", **fields}).encode()


def test_large_media_move_and_small_stay():
    store = KeepingStore()
    small = encode_inline(b"small", "image/png")
    sent = move_inline_media(message(images=[{"uri": LARGE_URI}, {"uri": small}], text="hi", extra={"kept": 1}), store)
    fields = json.loads(sent)
    assert store.contents == {"file:///store/0.png": LARGE}
    assert fields["images"] == [{"uri": "file:///store/0.png"}, {"uri": small}]
    assert (fields["text"], fields["extra"]) == ("hi", {"kept": 1})


def test_audio_moves_with_its_suffix():
    store = KeepingStore()
    uri = "data:audio/wav;rate=16000;base64," + base64.b64encode(LARGE).decode()
    fields = json.loads(move_inline_media(message(audio=[{"uri": uri}]), store))
    assert fields["audio"][0]["uri"].endswith(".wav")


def test_media_given_as_their_uri_alone_move_too():
    store = KeepingStore()
    fields = json.loads(move_inline_media(message(images=["https://example.org/a.png", LARGE_URI]), store))
    assert fields["images"] == ["https://example.org/a.png", "file:///store/0.png"]
    assert store.contents == {"file:///store/0.png": LARGE}


def test_media_exactly_at_the_limit_stay():
    store = KeepingStore()
    at_limit = message(images=[{"uri": encode_inline(bytes(INLINE_LIMIT_BYTES), "image/png")}])
    assert move_inline_media(at_limit, store) is at_limit
    over = message(images=[{"uri": encode_inline(bytes(INLINE_LIMIT_BYTES + 1), "image/png")}])
    assert len(move_inline_media(over, store)) < 200


def test_lone_surrogates_survive_the_move():
    sent = move_inline_media(message(text="a\ud800b", images=[{"uri": LARGE_URI}]), KeepingStore())
    assert json.loads(sent)["text"] == "a\ud800b"


@pytest.mark.parametrize(
    "value",
    [
        message(images=[{"uri": "data:image/png;base64," + "!" * 100_000}]),
        message(images=[{"uri": LARGE_URI[:70_000] + "!" + LARGE_URI[70_000:]}]),
        message(images=[{"uri": "data:image/png," + "a" * 100_000}]),
        message(images=[{"uri": "https://example.org/" + "a" * 100_000}]),
        message(images=[{"uri": 5}, None, "x"], text="a" * 100_000),
        message(images={"uri": LARGE_URI}),
        b"[" * 100_000,
        b'["' + LARGE_URI.encode() + b'"]',
        b"\xff" * 100_000,
        b'{"id": "p-1", "images": [{"uri": "' + LARGE_URI.encode(),
        message(images=[{"uri": LARGE_URI}]).decode().encode("utf-16"),
    ],
)
def test_what_cannot_be_read_stays_as_it_is(value):
    store = KeepingStore()
    assert move_inline_media(value, store) is value
    assert store.contents == {}


def test_inline_round_trip():
    assert decode_inline(encode_inline(b"\x00\xff", "audio/mpeg")) == (b"\x00\xff", ".mp3")
    assert decode_inline("data:application/x-unknown;base64,AAAA") == (b"\0\0\0", "")
