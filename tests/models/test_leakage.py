"""Nothing that is measured on is trained on: what the bundle drops, the comparison itself, and the command."""

import json

import numpy as np
import pytest
import typer
import zstandard
from PIL import Image

from sluice_models.data.bundle import (
    Example,
    read_media,
    read_source_rows,
    read_texts,
    read_unused_media,
    read_unused_texts,
)
from sluice_models.leakage import find_image_leaks, find_text_leaks, main, report_leaks
from sluice_models.measure.origins import count_origins

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
    assert [(leak.measured, leak.training) for leak in leaks] == [("v1", "t1"), ("v2", "t2")]


def test_an_image_saved_again_and_smaller_is_found_and_another_is_not(tmp_path):
    first, second, third = draw_clouds(3)
    training = [make_image("t1", first, tmp_path), make_image("t2", second, tmp_path)]
    smaller = first[:, ::2, ::2]
    validation = [make_image("v1", smaller, tmp_path, quality=60), make_image("v2", third, tmp_path)]
    assert [(leak.measured, leak.training) for leak in find_image_leaks(validation, training)] == [("v1", "t1")]


def draw_clouds(n_pictures):
    coarse = np.random.default_rng(0).integers(0, 256, (n_pictures, 6, 6, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(each).resize((96, 96))).transpose(2, 0, 1) for each in coarse]


def write_bundle(folder, texts, images=()):
    common = {"lang": "en", "labels": {"toxic": 0}, "licence": "CC0"}
    rows = [
        {"id": key, "split": split, "text": text, "licence_class": kind, "source": "made", **common, **more}
        for key, split, kind, text, *rest in texts
        for more in (rest or [{}])
    ]
    packed = zstandard.ZstdCompressor().compress("\n".join(map(json.dumps, rows)).encode())
    (folder / "text.jsonl.zst").write_bytes(packed)
    lines = [
        {"id": key, "split": split, "image": file.name, "licence_class": kind, "source": "made", **common}
        for key, split, kind, file in images
    ]
    (folder / "images.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "audio.jsonl").write_text("")


TEXTS = (
    ("t1", "train", "open", "Hello you"),
    ("t2", "train", "open", "Something else"),
    ("t3", "train", "open", "An aside", {"source": "other"}),
    ("t4", "train", "open", "AN ASIDE!"),
    ("t5", "train", "open", "Good bye."),
    ("n1", "train", "nc", "good bye"),
    ("v1", "val", "open", "hello, you"),
    ("v2", "val", "open", "Until tomorrow", {"source": "other"}),
)


def keys(rows):
    return [row.key for row in rows]


def test_a_text_that_is_measured_on_is_not_trained_on(tmp_path):
    write_bundle(tmp_path, TEXTS)
    assert keys(read_texts(tmp_path, "train")) == ["t2", "t3", "t4"]
    assert keys(read_texts(tmp_path, "val")) == ["v1", "v2"]
    assert keys(read_unused_texts(tmp_path)) == ["n1"]


def test_a_source_that_is_left_out_takes_its_repetitions_with_it(tmp_path):
    write_bundle(tmp_path, TEXTS)
    without = frozenset({"other"})
    assert keys(read_texts(tmp_path, "train", without)) == ["t2"]
    assert keys(read_texts(tmp_path, "val", without)) == ["v1"]
    assert keys(read_source_rows(tmp_path, without)) == ["t3", "v2"]
    assert not report_leaks(tmp_path, without)[0].leaks


def test_an_image_near_one_that_is_measured_on_is_not_trained_on(tmp_path):
    first, second, third = draw_clouds(3)
    rows = [make_image("t1", first, tmp_path), make_image("t2", second, tmp_path), make_image("t3", third, tmp_path)]
    near = [make_image("v1", first[:, ::2, ::2], tmp_path, quality=60), make_image("n1", third, tmp_path, quality=70)]
    images = [
        *((row.key, "train", "open", row.media) for row in rows),
        ("v1", "val", "open", near[0].media),
        ("n1", "train", "nc", near[1].media),
    ]
    write_bundle(tmp_path, TEXTS, images)
    assert len(find_image_leaks(near, rows)) == 2
    assert keys(read_media(tmp_path, "images", "train")) == ["t2"]
    assert keys(read_unused_media(tmp_path, "images")) == ["n1"]
    assert not report_leaks(tmp_path)[1].leaks


def test_the_command_says_how_many_were_compared(tmp_path, capsys):
    write_bundle(tmp_path, TEXTS)
    with pytest.raises(typer.Exit) as left:
        main(tmp_path, without=["other"])
    assert left.value.exit_code == 0
    assert "text: 0 of 4 items to measure on in training (1 items)" in capsys.readouterr().out


def test_the_command_names_the_sources_of_what_leaks(tmp_path, capsys, monkeypatch):
    write_bundle(tmp_path, TEXTS)
    monkeypatch.setattr("sluice_models.data.bundle.normalise_text", lambda text: text)  # as if nothing were dropped
    with pytest.raises(typer.Exit) as left:
        main(tmp_path)
    assert left.value.exit_code == 1
    assert "2 of 3 items to measure on in training (5 items): made 2" in capsys.readouterr().out


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
