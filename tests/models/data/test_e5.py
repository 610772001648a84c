"""The packaged weights: a made-up file of the same layout, and the real one where it is installed."""

import hashlib
import struct

import numpy as np
import pytest

from sluice.errors import SettingsError
from sluice_models.data import e5 as module
from sluice_models.data.e5 import BLOCK, MAGIC, dequantise, packaged_file, read_e5

PIECES = [("<s>", 0.0), ("▁tea", -3.5), ("茶", -4.25)]
SIZES = {
    "d_hidden": 4,
    "n_layers": 1,
    "n_heads": 1,
    "d_inner": 8,
    "n_vocabulary": 3,
    "n_positions": 2,
    "n_types": 1,
}


def write_block(scale, weights):
    """32 weights in -8..7 as the file has them."""
    low, high = (np.array(half) + 8 for half in (weights[:16], weights[16:]))
    return struct.pack("<e", scale) + bytes((low | high << 4).astype(np.uint8).tolist())


def write_file(magic=MAGIC, block=BLOCK):
    spelled = [piece.encode() for piece, _ in PIECES]
    ends = np.cumsum([0, *map(len, spelled)]).astype("<u4")
    head = magic + struct.pack("<I", 1) + struct.pack("<7i", *SIZES.values()) + struct.pack("<fi", 1e-12, block)
    head += struct.pack("<i4iQ", len(PIECES), 0, 2, 1, 3, ends[-1])
    head += ends.tobytes() + np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(spelled)
    head += struct.pack("<iI", 0, 5) + b"table"
    stored = {
        "emb.ln.w": (4, np.arange(4, dtype=np.float32).tobytes()),
        "l0.fo.w": (32, write_block(0.5, list(range(-8, 8)) * 2)),
        "l0.q.w": (32, write_block(2.0, [1] * 32)),
    }
    directory = sum(2 + len(name) + 1 + 4 + 16 for name in stored)
    offset, entries, body = len(head) + 4 + directory, b"", b""
    for name, (n, data) in stored.items():
        entries += struct.pack("<H", len(name)) + name.encode()
        entries += struct.pack("<BIQQ", n != len(data) // 4, n, offset + len(body), len(data))
        body += data
    return head + struct.pack("<i", len(stored)) + entries + body


def read(tmp_path, content):
    file = tmp_path / "e5.bin"
    file.write_bytes(content)
    return read_e5(file, hashlib.sha256(content).hexdigest())


def test_sizes_pieces_and_weights_are_read(tmp_path):
    e5 = read(tmp_path, write_file())
    assert dict(e5.sizes) == SIZES
    assert e5.pieces == PIECES
    assert e5.weights["emb.ln.w"].tolist() == [0, 1, 2, 3]
    assert e5.weights["l0.q.w"].shape == (8, 4)
    assert (e5.weights["l0.q.w"] == 2).all()
    assert e5.weights["l0.fo.w"].shape == (4, 8)
    assert e5.weights["l0.fo.w"][0].tolist() == [-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5]


def test_blocks_are_a_scale_and_32_half_bytes_less_eight():
    weights = list(range(-8, 8)) + list(range(7, -9, -1))
    np.testing.assert_allclose(dequantise(write_block(0.25, weights) * 2), np.array(weights * 2) * 0.25)


def test_another_file_than_the_pinned_one_is_refused(tmp_path):
    (tmp_path / "e5.bin").write_bytes(write_file())
    with pytest.raises(SettingsError, match="SHA-256"):
        read_e5(tmp_path / "e5.bin")


@pytest.mark.parametrize(
    ("changes", "said"), [({"magic": b"GGUF"}, "does not begin with E5S1"), ({"block": 64}, "another size than 32")]
)
def test_a_file_of_another_layout_is_refused(tmp_path, changes, said):
    with pytest.raises(SettingsError, match=said):
        read(tmp_path, write_file(**changes))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "no_such_package_as_this")
    with pytest.raises(SettingsError, match=r"sluice-moderation\[train\]"):
        packaged_file()


def test_the_packaged_file_is_the_pinned_one_and_holds_what_the_encoder_starts_from():
    e5 = read_e5()
    assert e5.sizes["n_layers"] == 12
    assert [piece for piece, _ in e5.pieces[:4]] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert e5.weights["emb.word"].shape[1] == e5.sizes["d_hidden"] == 384
    assert all(np.isfinite(weight).all() for weight in e5.weights.values())
