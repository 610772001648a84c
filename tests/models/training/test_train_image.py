"""Training the image encoder in its two stages, on the miniature bundle and with a tiny network."""

import io

import msgspec
import pytest
import torch
from rich.console import Console

from sluice.schema import LABELS
from sluice_models.config import ImageConfig, ImageNetwork, Training
from sluice_models.networks.image import ImageEncoder
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.recipes.image.batches import PictureBatch
from sluice_models.training import train_image as module
from sluice_models.training.train_image import START, cell_loss, image_loss, train_image

pytestmark = pytest.mark.torch
NETWORK = ImageNetwork(channels=(4, 4, 8, 8), n_kinds=5)
TRAINING = Training(n_steps=2, n_batch=4, learning_rate=1e-3, fresh_learning_rate=1e-3)
CONFIG = ImageConfig(network=NETWORK, training=TRAINING, finish=TRAINING)
NAN = float("nan")


def build_tiny():
    return ImageEncoder(NETWORK)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(module, "build_image_encoder", build_tiny)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 4, "val": 2})
    monkeypatch.setattr(picture_rows, "N_SCENES", 4)


def test_both_stages_leave_a_checkpoint_and_the_last_goes_on_from_the_first(tmp_path, tiny, bundle, console):
    slow = msgspec.structs.replace(TRAINING, n_steps=1, fresh_learning_rate=1e-9)
    train_image(bundle, msgspec.structs.replace(CONFIG, finish=slow), tmp_path, console)
    start, end = (torch.load(tmp_path / f"{name}.pt") for name in (START, "image_encoder"))
    build_tiny().load_state_dict(end)
    name = "stages.0.0.weight"
    assert (start[name] - end[name]).abs().max() < 1e-6
    assert "image: 20 rows" in console.file.getvalue()  # 12 of the bundle, and 8 drawn


def test_a_first_stage_that_is_there_is_not_run_again(tmp_path, tiny, bundle, console):
    train_image(bundle, CONFIG, tmp_path, console)
    first = (tmp_path / f"{START}.pt").read_bytes()
    curve = tmp_path / f"{START}.curve.json"
    curve.unlink()
    (tmp_path / "image_encoder.pt").unlink()
    train_image(bundle, CONFIG, tmp_path, console)
    assert (tmp_path / f"{START}.pt").read_bytes() == first
    assert not curve.exists()
    assert (tmp_path / "image_encoder.pt").is_file()


def test_a_second_run_reads_the_decoded_pictures_of_the_first(tmp_path, tiny, bundle, console, monkeypatch):
    train_image(bundle, CONFIG, tmp_path, console)

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(picture_rows, "_decode", refuse)
    train_image(bundle, CONFIG, tmp_path, console)


def test_cells_cost_less_where_they_are_right():
    wanted = torch.tensor([1.0, 0.0, NAN]).view(1, 1, 1, 3)
    right, wrong = (torch.tensor(values).view(1, 1, 1, 3) for values in ([4.0, -4.0, 9.0], [-4.0, 4.0, -9.0]))
    assert cell_loss(right, wanted) < cell_loss(wrong, wanted)
    assert cell_loss(right, torch.full_like(wanted, NAN)) == 0


def test_a_small_harm_weighs_as_much_as_all_the_cells_around_it():
    wanted = torch.zeros(1, 2, 10, 10)
    wanted[0, 0, 3, 3] = 1
    missed, alarmed = torch.zeros_like(wanted), torch.zeros_like(wanted)
    missed[wanted == 1], alarmed[wanted == 0] = -3, 3
    torch.testing.assert_close(cell_loss(missed, wanted), cell_loss(alarmed, wanted))


def make_batch(kinds=-1):
    targets, cells = torch.full((2, len(LABELS)), NAN), torch.full((2, 2, 6, 6), NAN)
    pixels = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    return PictureBatch(pixels, targets, cells, torch.full((2,), kinds))


def test_rows_of_which_nothing_is_known_cost_nothing():
    torch.manual_seed(0)
    assert image_loss(build_tiny(), make_batch(), torch.ones(len(LABELS))) == 0


def test_the_kind_of_object_is_learned_where_somebody_says_it():
    torch.manual_seed(0)
    encoder = build_tiny()
    image_loss(encoder, make_batch(kinds=2), torch.ones(len(LABELS))).backward()
    assert encoder.kinds.bias.grad.argmin() == 2  # its logit rises, all others fall
    assert (encoder.kinds.bias.grad > 0).sum() == 4
    assert not encoder.head.evidence.weight.grad.any()
