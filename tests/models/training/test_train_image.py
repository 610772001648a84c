"""Training the adopted tower on what its picture network sees, and joining, on the miniature bundle with tiny ones."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.config import ImageConfig, Training
from sluice_models.networks.image import LEARNED, SEXUAL, ImageEncoder
from sluice_models.networks.two_towers import PLACES, TwoTowers
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.recipes.image.batches import PlaneBatch, PlaneRows
from sluice_models.training import checkpoint, own_tower
from sluice_models.training import train_image as module
from sluice_models.training.nsfwjs import NAME
from sluice_models.training.train_image import (
    N_CHUNK,
    calibrate_adopted,
    fit_layers,
    image_loss,
    see,
    see_all,
    train_image,
)
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = pytest.mark.torch
TRAINING = Training(n_steps=2, n_batch=4, learning_rate=1e-3, fresh_learning_rate=1e-2)
CONFIG = ImageConfig(network=IMAGE, own=OWN, n_varieties=2, training=TRAINING)
NAN = float("nan")


def build_tiny():
    torch.manual_seed(0)
    return ImageEncoder(IMAGE)


def build_tiny_pair():
    torch.manual_seed(0)
    return TwoTowers(IMAGE, OWN)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "build_image_encoder", build_tiny_pair)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 4, "val": 2})
    checkpoint.save(build_tiny_pair().adopted.network, checkpoint.checkpoint_file(tmp_path, NAME))
    checkpoint.save(build_tiny_pair().own, checkpoint.checkpoint_file(tmp_path, own_tower.NAME))


def test_training_leaves_a_checkpoint_with_what_others_trained_as_it_came(tmp_path, tiny, bundle, console):
    train_image(bundle, CONFIG, tmp_path, console)
    trained, start = torch.load(tmp_path / "image_encoder.pt"), build_tiny_pair().state_dict()
    changed = {name for name in trained if not torch.equal(trained[name], start[name])}
    layers = ("to_tokens", "cells", "head.evidence")
    assert changed == {f"adopted.{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert "image: 16 rows, 2 times each" in console.file.getvalue()  # 12 of the bundle, and 4 drawn


def test_rows_of_the_head_that_no_picture_teaches_stay_what_they_are(tmp_path, tiny, bundle, console):
    train_image(bundle, CONFIG, tmp_path, console)
    trained, start = torch.load(tmp_path / "image_encoder.pt"), build_tiny_pair().state_dict()
    weights = "adopted.head.evidence.weight"
    moved = (trained[weights] != start[weights]).any(dim=1)
    assert [LABELS[index] for index in moved.nonzero().flatten().tolist()] == [
        label for label in LABELS if label in LEARNED
    ]
    assert torch.equal(trained[weights][SEXUAL], start[weights][SEXUAL])


def test_our_own_tower_is_the_one_that_was_taken_out(tmp_path, tiny, bundle, console):
    torch.manual_seed(1)
    taken = TwoTowers(IMAGE, OWN).own
    checkpoint.save(taken, checkpoint.checkpoint_file(tmp_path, own_tower.NAME))
    train_image(bundle, CONFIG, tmp_path, console)
    trained = torch.load(tmp_path / "image_encoder.pt")
    assert all(torch.equal(trained[f"own.{name}"], weight) for name, weight in taken.state_dict().items())


def test_the_adopted_tower_is_calibrated_before_the_whole_is_saved(tmp_path, tiny, bundle, console, monkeypatch):
    seen = []

    def calibrate(encoder, held_out):
        seen.append(len(held_out.targets))
        encoder.head.scale.fill_(2.0)

    monkeypatch.setattr(module, "calibrate_adopted", calibrate)
    train_image(bundle, CONFIG, tmp_path, console)
    trained = torch.load(tmp_path / "image_encoder.pt")
    assert seen == [len(picture_rows.load_pictures(bundle, "val", tmp_path).targets)]
    assert (trained["adopted.head.scale"] == 2).all()
    assert (trained["head.scale"] == 1).all()


@pytest.mark.parametrize("name", [NAME, own_tower.NAME])
def test_without_what_others_trained_training_says_what_is_missing(tmp_path, tiny, bundle, console, name):
    checkpoint.checkpoint_file(tmp_path, name).unlink()
    with pytest.raises(SettingsError, match=name):
        train_image(bundle, CONFIG, tmp_path, console)


def test_a_second_run_decodes_and_sees_nothing_again(tmp_path, tiny, bundle, console, monkeypatch):
    train_image(bundle, CONFIG, tmp_path, console)
    first = torch.load(tmp_path / "image_encoder.pt")

    def refuse(*_):
        raise AssertionError("done again")

    monkeypatch.setattr(picture_rows, "_decode", refuse)
    monkeypatch.setattr(module, "augment", refuse)
    train_image(bundle, CONFIG, tmp_path, console)
    assert all(torch.equal(weight, first[name]) for name, weight in torch.load(tmp_path / "image_encoder.pt").items())


@pytest.fixture
def pictures():
    n_rows = N_CHUNK + 6
    pixels = np.random.default_rng(0).integers(0, 256, (n_rows, 3, 160, 160), np.uint8)
    return picture_rows.Pictures(pixels, np.zeros((n_rows, len(LABELS)), np.float32), np.array(["a:harmless"] * n_rows))


@pytest.mark.parametrize("variety", [0, 1])
def test_seeing_goes_on_where_it_was_interrupted(tmp_path, pictures, variety, monkeypatch):
    network = build_tiny().network
    whole = np.array(see_all(network, pictures, variety, tmp_path / "whole"))

    seen = []

    def break_off(network, pixels, generator):
        seen.append(len(pixels))
        if len(seen) == 3:  # the first tells the shape
            raise KeyboardInterrupt
        return see(network, pixels, generator)

    monkeypatch.setattr(module, "see", break_off)
    with pytest.raises(KeyboardInterrupt):
        see_all(network, pictures, variety, tmp_path / "halves")
    seen.clear()
    found = see_all(network, pictures, variety, tmp_path / "halves")
    assert seen == [1, 6]
    np.testing.assert_array_equal(found, whole)


def test_a_variety_is_not_the_picture_as_it_is(tmp_path, pictures):
    network = build_tiny().network
    plain, varied = (see_all(network, pictures, number, tmp_path) for number in (0, 1))
    assert plain.shape == varied.shape == (N_CHUNK + 6, 12, 5, 5)
    assert not np.array_equal(plain, varied)


def test_the_adopted_tower_is_calibrated_on_pictures_that_it_did_not_learn_from(pictures):
    encoder = build_tiny()
    pictures.targets[::2, PLACES[0]] = 1  # told apart by nothing in the noise
    calibrate_adopted(encoder, pictures)
    planes = torch.from_numpy(see(encoder.network, pictures.pixels, None)).float()
    with torch.no_grad():
        found = torch.sigmoid(encoder.head(encoder.tokens(planes)))[:, PLACES]
    assert abs(found[:, 0].mean() - 0.5) < 0.1
    assert encoder.head.scale[PLACES[1]] == 1  # no positives: as it was


def make_batch(weapons, fire):
    targets = torch.full((2, len(LABELS)), NAN)
    targets[:, PLACES] = torch.tensor([weapons, fire])
    return PlaneBatch(torch.rand(2, 12, 5, 5).half(), targets)


def test_rows_of_which_nothing_is_known_cost_nothing():
    assert image_loss(build_tiny(), make_batch(NAN, NAN)) == 0


def test_the_loss_reaches_every_layer_of_ours_and_none_of_the_picture_network():
    encoder = build_tiny()
    image_loss(encoder, make_batch(1.0, 0.0)).backward()
    for name, weight in encoder.named_parameters():
        assert (weight.grad is not None and weight.grad.any()) != name.startswith("network."), name


def test_what_can_be_told_from_the_planes_is_learned(tmp_path, console):
    planes = np.random.default_rng(0).random((40, 12, 5, 5)).astype(np.float16)
    targets = np.zeros((40, len(LABELS)), np.float32)
    targets[::2, PLACES[0]] = 1
    planes[::2, 3, 1, 1] += 5
    rows = PlaneRows([planes], targets, np.array(["a:weapons", "a:harmless"] * 20))
    encoder = build_tiny()
    fit_layers(encoder, rows, Training(60, 20, 1e-2, 1e-2), tmp_path, console)
    with torch.no_grad():
        logits = encoder.head(encoder.tokens(torch.from_numpy(planes).float()))[:, PLACES[0]]
        cells = encoder.cells(torch.from_numpy(planes).float())[:, 0].flatten(1)
    assert logits[::2].min() > logits[1::2].max()
    assert (cells[::2].argmax(dim=1) == 6).all()
