"""What counts as the same text, and as nearly the same image."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from sluice_models.data.duplicates import (
    HASH_BITS,
    NEAR_BITS,
    find_nearest,
    hash_files,
    hash_image,
    normalise_text,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    "variant",
    [
        "GOOD MORNING",
        "good  morning",
        "good-morning!",
        "ｇｏｏｄ ｍｏｒｎｉｎｇ",
        "good\u200bmorning",
        "(good) \n morning…",
    ],
)
def test_case_width_spaces_punctuation_and_the_unseen_do_not_count(variant):
    assert normalise_text(variant) == normalise_text("Good morning")


@pytest.mark.parametrize(
    "other", ["good mornings", "good evening", "good morning 2", "good morning 😀", "goód morning"]
)
def test_letters_digits_and_pictographs_count(other):
    assert normalise_text(other) != normalise_text("Good morning")


def test_texts_of_punctuation_alone_are_kept_as_they_are():
    assert normalise_text("?!") == "?!"
    assert normalise_text("...") == "..."  # as written: folding it first would make it one of the unseen
    assert normalise_text("") == ""


def draw(seed=0, size=(96, 72)):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size)


def count_differing(first, second):
    _, distances = find_nearest(hash_image(first)[None], hash_image(second)[None])
    return int(distances[0])


def test_a_hash_has_128_bits():
    assert hash_image(Image.new("RGB", (30, 20))).nbytes * 8 == HASH_BITS


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((48, 36)),
        lambda image: image.convert("L"),
        lambda image: image.point(lambda value: value // 2 + 60),
        lambda image: image.convert("P"),
    ],
    ids=["smaller", "grey", "paler", "palette"],
)
def test_the_same_image_saved_in_another_way_is_near(change):
    assert count_differing(draw(), change(draw())) <= NEAR_BITS


@pytest.mark.parametrize(
    "change",
    [ImageOps.mirror, ImageOps.flip, ImageOps.invert, lambda _: draw(1)],
    ids=["mirrored", "upside down", "inverted", "another"],
)
def test_another_image_is_far(change):
    assert count_differing(draw(), change(draw())) > 4 * NEAR_BITS


def test_brightness_that_grows_rightwards_and_downwards_sets_the_bits():
    ramp = np.linspace(0, 255, 72, dtype=np.uint8)
    right = np.unpackbits(hash_image(Image.fromarray(np.tile(ramp, (72, 1)))))
    down = np.unpackbits(hash_image(Image.fromarray(np.tile(ramp[:, None], (1, 72)))))
    assert right.tolist() == [1] * 64 + [0] * 64
    assert down.tolist() == [0] * 64 + [1] * 64


def test_the_nearest_hash_is_found_with_its_distance():
    known = np.array([[0b1111_0000, *[0] * 15], [0b0000_0111, *[0] * 15]], np.uint8)
    nearest, distances = find_nearest(np.array([[0b0000_0011, *[0] * 15]], np.uint8), known)
    assert (nearest.tolist(), distances.tolist()) == ([1], [1])


def test_distances_are_counted_bit_by_bit():
    rng = np.random.default_rng(0)
    hashes, known = (rng.integers(0, 256, (n, 16), dtype=np.uint8) for n in (20, 30))
    differing = np.array([[np.unpackbits(a ^ b).sum() for b in known] for a in hashes])
    nearest, distances = find_nearest(hashes, known)
    assert distances.tolist() == differing.min(axis=1).tolist()
    assert differing[np.arange(20), nearest].tolist() == distances.tolist()


def test_opposite_hashes_differ_in_every_bit():
    zeros = np.zeros((1, 16), np.uint8)
    assert find_nearest(zeros, ~zeros)[1].tolist() == [HASH_BITS]


def test_a_file_is_hashed_as_its_image_is_and_only_once(tmp_path, monkeypatch):
    files = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, file in enumerate(files):
        draw(seed).save(file)
    opened, real = [], Image.open

    def record(file):
        opened.append(file)
        return real(file)

    monkeypatch.setattr(Image, "open", record)
    hashes = hash_files([*files, files[0]])
    assert [row.tolist() for row in hashes] == [hash_image(draw(seed)).tolist() for seed in (0, 1, 0)]
    assert opened == files


def test_no_files_have_no_hashes():
    assert hash_files([]).shape == (0, HASH_BITS // 8)
