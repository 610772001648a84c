"""No validation item stands in training: the comparison itself, and the command."""

import json

import numpy as np
import pytest
import typer
import zstandard
from PIL import Image

from models.bundle import Example
from models.leakage import find_image_leaks, find_text_leaks, hash_image, main, normalise_text, report_leaks
from models.origins import count_origins

pytestmark = pytest.mark.torch
NOTHING = np.zeros(17, np.float32)


def make_text(key, text):
    return Example(key, text, None, "en", NOTHING, "made")


def make_image(key, pixels, folder, quality=95):
    file = folder / f"{key}.jpg"
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, quality=quality)
    return Example(key, None, file, None, NOTHING, "made")


def test_case_width_spaces_and_punctuation_do_not_hide_a_text():
    training = [make_text("t1", "Good morning, everyone!"), make_text("t2", "你好，世界。")]
    validation = [
        make_text("v1", "ＧＯＯＤ\u200b morning — everyone"),
        make_text("v2", "你好 世界"),
        make_text("v3", "Good day"),
    ]
    leaks = find_text_leaks(validation, training)
    assert [(leak.validation, leak.training) for leak in leaks] == [("v1", "t1"), ("v2", "t2")]


def test_texts_of_punctuation_alone_are_told_apart():
    assert normalise_text("?!") != normalise_text("...")


def test_an_image_saved_again_and_smaller_is_found_and_another_is_not(tmp_path):
    first, second, third = draw_clouds(3)
    training = [make_image("t1", first, tmp_path), make_image("t2", second, tmp_path)]
    smaller = first[:, ::2, ::2]
    validation = [make_image("v1", smaller, tmp_path, quality=60), make_image("v2", third, tmp_path)]
    assert [(leak.validation, leak.training) for leak in find_image_leaks(validation, training)] == [("v1", "t1")]


def test_a_hash_has_128_bits():
    assert hash_image(Image.new("RGB", (30, 20))).nbytes * 8 == 128


def draw_clouds(n_pictures):
    coarse = np.random.default_rng(0).integers(0, 256, (n_pictures, 6, 6, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(each).resize((96, 96))).transpose(2, 0, 1) for each in coarse]


def write_bundle(folder, texts):
    labels = {"toxic": 0}
    common = {"modality": "text", "lang": "en", "labels": labels, "source": "made", "licence": "CC0"}
    rows = [
        {"id": key, "split": split, "text": text, "licence_class": kind, **common} for key, split, kind, text in texts
    ]
    packed = zstandard.ZstdCompressor().compress("\n".join(map(json.dumps, rows)).encode())
    (folder / "text.jsonl.zst").write_bytes(packed)
    (folder / "images.jsonl").write_text("")
    (folder / "audio.jsonl").write_text("")


def test_the_command_names_what_leaks_and_leaves_out_what_is_not_trained_on(tmp_path, capsys):
    write_bundle(
        tmp_path,
        [("t1", "train", "open", "Hello you"), ("t2", "train", "nc", "good bye"), ("v1", "val", "open", "hello, you"),
         ("v2", "val", "open", "Good bye")],
    )  # fmt: skip
    text, image = report_leaks(tmp_path)
    assert [(leak.validation, leak.training) for leak in text.leaks] == [("v1", "t1")]
    assert (text.n_validation, text.n_training, image.n_validation) == (2, 1, 0)
    with pytest.raises(typer.Exit) as left:
        main(tmp_path)
    assert left.value.exit_code == 1
    assert "1 of 2 validation items in training (1 items): made 1" in capsys.readouterr().out


def test_sources_are_counted_by_licence_class_and_split(tmp_path):
    write_bundle(
        tmp_path,
        [
            ("t1", "train", "open", "a"),
            ("t2", "train", "open", "b"),
            ("v1", "val", "open", "c"),
            ("n1", "train", "nc", "d"),
        ],
    )
    found = {origin.licence_class: origin for origin in count_origins(tmp_path)}
    assert (found["open"].n_train, found["open"].n_val, found["open"].used) == (2, 1, True)
    assert (found["nc"].n_train, found["nc"].used) == (1, False)
