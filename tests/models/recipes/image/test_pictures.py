"""Images for training: decoded once, with targets and groups, the drawn pages behind those of the bundle."""

import numpy as np
import pytest
import torch
from PIL import Image

from sluice.features import IMAGE_SIZE_PX
from sluice.schema import LABELS
from sluice_models.data.bundle import Example, read_media
from sluice_models.recipes.image import pictures as module
from sluice_models.recipes.image.pages import draw_pages
from sluice_models.recipes.image.pictures import (
    FIRE,
    SEEN,
    WEAPONS,
    _read_view,
    augment,
    load_pictures,
    picture_targets,
)

pytestmark = pytest.mark.torch


def make_example(**labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example("k", None, None, None, targets, "made")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "N_DRAWN", {"train": 4, "val": 2})


def test_labels_that_no_picture_is_positive_for_are_absent():
    targets = picture_targets(make_example(weapons=1, hate=1))
    assert targets[LABELS.index("hate")] == 0
    assert targets[WEAPONS] == 1
    assert np.isnan(targets[FIRE])
    assert {LABELS[WEAPONS], LABELS[FIRE]} == set(SEEN)


def test_images_come_first_then_harmless_pages(bundle, tmp_path, few):
    pictures = load_pictures(bundle, "train", tmp_path)
    examples = read_media(bundle, "images", "train")
    assert len(pictures.pixels) == len(pictures.targets) == len(examples) + 4
    assert pictures.pixels.shape[1:] == (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    for row, example in zip(pictures.targets, examples, strict=False):
        np.testing.assert_array_equal(row, picture_targets(example))
    assert not pictures.targets[-4:].any()


def test_groups_name_the_source_and_the_harm(bundle, tmp_path, few):
    groups = load_pictures(bundle, "train", tmp_path).groups.tolist()
    assert set(groups[:-4]) == {"made:weapons", "made:fire", "made:harmless"}
    assert groups[-4:] == ["drawn:harmless"] * 4


def test_validation_has_other_pages(bundle, tmp_path, few):
    training, validation = (load_pictures(bundle, split, tmp_path) for split in ("train", "val"))
    assert len(validation.pixels) == len(read_media(bundle, "images", "val")) + 2
    assert not (validation.pixels[-1] == training.pixels[-4:]).all(axis=(1, 2, 3)).any()


def test_pictures_are_decoded_once(bundle, tmp_path, few, monkeypatch):
    first = load_pictures(bundle, "val", tmp_path)
    monkeypatch.setattr(module, "_decode", None)
    again = load_pictures(bundle, "val", tmp_path)
    assert np.array_equal(first.pixels, again.pixels)
    assert isinstance(again.pixels, np.memmap)


def test_a_cache_of_other_rows_is_made_anew(bundle, tmp_path, few):
    whole = load_pictures(bundle, "val", tmp_path)
    np.save(tmp_path / "pictures-val.npy", np.zeros((3, 4), np.float32))
    again = load_pictures(bundle, "val", tmp_path)
    assert np.array_equal(whole.pixels, again.pixels)


@pytest.fixture
def long_image(tmp_path):
    picture = Image.new("RGB", (480, 160), (255, 255, 255))
    picture.paste((0, 0, 0), (400, 0, 480, 160))
    picture.save(tmp_path / "long.png")
    return tmp_path / "long.png"


def test_a_long_image_with_a_harm_is_seen_whole_in_training(long_image):
    assert (_read_view(long_image, whole=True) < 20).any()
    assert not (_read_view(long_image, whole=False) < 20).any()
    assert _read_view(long_image, whole=True).shape == (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)


def test_an_image_of_one_view_is_read_as_in_serving(tmp_path):
    Image.fromarray(draw_pages(1, seed=0)[0].transpose(1, 2, 0)).save(tmp_path / "square.png")
    views = [_read_view(tmp_path / "square.png", whole=whole) for whole in (True, False)]
    assert np.array_equal(*views)


def test_varied_pictures_stay_pictures_and_repeat_with_their_seed():
    pixels = torch.from_numpy(draw_pages(4, seed=0))
    varied, again = (augment(pixels, torch.Generator().manual_seed(0)) for _ in range(2))
    assert varied.shape == pixels.shape
    assert varied.dtype == torch.uint8
    assert not torch.equal(varied, pixels)
    assert torch.equal(varied, again)
