"""The image encoder: its shapes, its quarters, how it becomes explicit, and that no image reads another."""

import pytest
import torch

from sluice.contract import HEATMAP_CELLS, N_TOKENS
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN
from sluice_models.networks.image import (
    EXPLICIT,
    EXPLICIT_BIAS,
    EXPLICIT_PLACE,
    KINDS,
    LEARNED,
    SEXUAL,
    UNSEEN_LOGIT,
    ImageEncoder,
    explicit_logit,
)
from tests.models.tiny_networks import IMAGE

pytestmark = pytest.mark.torch

N_LABELS, N_PLANES = len(LABELS), IMAGE.n_planes


@pytest.fixture(scope="module")
def image_encoder():
    torch.manual_seed(0)
    return ImageEncoder(IMAGE).eval()


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_design(image_encoder):
    tokens, logits, heatmap = image_encoder(torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8))
    assert tokens.shape == (2, N_TOKENS, D_TOKEN)
    assert logits.shape == (2, N_LABELS)
    assert heatmap.shape == (2, N_LABELS, HEATMAP_CELLS, HEATMAP_CELLS)
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(image_encoder):
    pixels = torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8)
    torch.testing.assert_close(image_encoder(pixels)[1][1:2], image_encoder(pixels[1:2])[1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("level", [0, 255])
def test_images_of_one_colour_give_finite_outputs(image_encoder, level):
    outputs = image_encoder(torch.full((1, 3, 160, 160), level, dtype=torch.uint8))
    assert all(output.isfinite().all() for output in outputs)


@torch.no_grad()
def test_each_token_reads_its_quarter_and_the_mean_of_all(image_encoder):
    planes = torch.zeros(1, N_PLANES, 5, 5)
    planes[..., :2, 3:] = 1.0
    tokens = image_encoder.tokens(planes)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 2])
    torch.testing.assert_close(tokens[:, 0], tokens[:, 3])
    assert (tokens[:, 1] - tokens[:, 0]).abs().max() > 1e-3
    empty = image_encoder.tokens(torch.zeros(1, N_PLANES, 5, 5))
    assert (tokens[:, 0] - empty[:, 0]).abs().max() > 1e-3


@torch.no_grad()
def test_the_middle_belongs_to_every_quarter(image_encoder):
    planes = torch.zeros(1, N_PLANES, 5, 5)
    planes[..., 2, 2] = 1.0
    tokens = image_encoder.tokens(planes)
    torch.testing.assert_close(tokens, tokens[:, :1].expand_as(tokens))


@torch.no_grad()
def test_a_small_object_counts_by_its_strongest_cell(image_encoder):
    spread, peaked = torch.full((1, N_PLANES, 5, 5), 0.04), torch.zeros(1, N_PLANES, 5, 5)
    peaked[..., 2, 2] = 1.0
    torch.testing.assert_close(spread.mean(), peaked.mean())
    assert (image_encoder.tokens(spread) - image_encoder.tokens(peaked)).abs().max() > 1e-2


def test_explicit_kinds_are_weighed_against_all_others():
    kinds = torch.full((3, len(KINDS)), -20.0)
    kinds[0, KINDS.index("porn")] = 0
    kinds[1, KINDS.index("sexy")] = 0
    logits = explicit_logit(kinds).squeeze(1)
    assert logits[0] > 15
    assert logits[1] < -15  # swimwear is not explicit
    shares = torch.softmax(kinds, dim=1)[:, list(EXPLICIT)].sum(dim=1)
    torch.testing.assert_close(torch.sigmoid(logits), shares)


@torch.no_grad()
def test_sexual_is_what_the_picture_network_says_of_the_whole(image_encoder):
    pixels = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    network = image_encoder.network
    expected = explicit_logit(network.kinds(network.planes(pixels).mean(dim=(2, 3)))).squeeze(1)
    found = image_encoder(pixels)[1][:, SEXUAL]
    torch.testing.assert_close(found, expected + EXPLICIT_BIAS, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_heatmap_of_sexual_is_what_the_picture_network_says_of_each_cell(image_encoder):
    planes = torch.rand(1, N_PLANES, 5, 5)
    corner = explicit_logit(image_encoder.network.kinds(planes[..., 0, 4])) + EXPLICIT_BIAS
    found = image_encoder.heatmap(planes)[0, SEXUAL]
    torch.testing.assert_close(found[0, -1], torch.sigmoid(corner).squeeze())


@torch.no_grad()
def test_other_labels_do_not_read_how_explicit_a_token_is(image_encoder):
    tokens = torch.randn(1, N_TOKENS, D_TOKEN)
    bare = tokens.clone()
    bare[..., EXPLICIT_PLACE] = 9.0
    first, second = image_encoder.head(tokens)[0], image_encoder.head(bare)[0]
    changed = [LABELS[index] for index in torch.nonzero((first - second).abs() > 1e-5).flatten().tolist()]
    assert changed == ["sexual"]


@torch.no_grad()
def test_labels_that_no_picture_gives_stay_low_everywhere(image_encoder):
    _, logits, heatmap = image_encoder(torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8))
    unseen = [index for index, label in enumerate(LABELS) if label not in (*LEARNED, "sexual")]
    assert (logits[:, unseen] == UNSEEN_LOGIT).all()
    assert (heatmap[:, unseen] < 0.001).all()


@torch.no_grad()
def test_the_heatmap_is_highest_where_the_harm_is(image_encoder):
    planes = torch.zeros(1, N_PLANES, 5, 5)
    planes[..., 4, 0] = 1.0
    before = image_encoder.cells.weight[0].clone()
    image_encoder.cells.weight[0] = 1.0
    found = image_encoder.heatmap(planes)[0, LABELS.index(LEARNED[0])]
    image_encoder.cells.weight[0] = before
    assert found.argmax() == (HEATMAP_CELLS - 1) * HEATMAP_CELLS


def test_the_picture_network_is_not_trained():
    encoder = ImageEncoder(IMAGE)
    assert not any(weight.requires_grad for weight in encoder.network.parameters())
    assert all(weight.requires_grad for weight in encoder.to_tokens.parameters())
