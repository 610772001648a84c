import pytest
import torch
from torch import nn

from sluice.schema import LABELS
from sluice_models.config import FirstStageNetwork
from sluice_models.networks.first_stage import CodedWords, FirstStage, code_words, reduce_weights, set_beside

pytestmark = pytest.mark.torch
N_WORDS = 60


@pytest.fixture
def stage():
    torch.manual_seed(0)
    network = FirstStageNetwork(d_word=8, d_hidden=16, n_layers=2)
    return FirstStage(network, nn.Embedding(N_WORDS, network.d_word)).eval()


def make_rows(*lengths, longest=None):
    ids = torch.randint(4, N_WORDS, (len(lengths), longest or max(lengths)), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]).long()
    return ids, mask


@torch.no_grad()
def test_a_text_has_a_logit_per_label_and_one_suspicion(stage):
    logits, suspicion = stage(*make_rows(2, 7))
    assert (logits.shape, suspicion.shape) == ((2, len(LABELS)), (2, 1))


@torch.no_grad()
def test_what_a_row_gives_does_not_depend_on_its_batch_nor_on_what_pads_it(stage):
    ids, mask = make_rows(5, 12, 2)
    together = stage(ids, mask)
    for row, length in enumerate((5, 12, 2)):
        alone = stage(ids[row : row + 1, :length], mask[row : row + 1, :length])
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_[row], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_threshold_is_taken_off_suspicion_alone(stage):
    before = stage(*make_rows(4))
    stage.threshold.fill_(-1.5)
    after = stage(*make_rows(4))
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], before[1] + 1.5)


def test_neighbours_stand_beside_each_piece():
    rows = torch.arange(1.0, 4.0).view(1, 3, 1)
    assert set_beside(rows).tolist() == [[[0, 1, 2], [1, 2, 3], [2, 3, 0]]]


def test_coded_words_are_near_the_words_and_zeros_stay_zeros():
    words = torch.randn(N_WORDS, 8, generator=torch.Generator().manual_seed(2))
    words[3] = 0
    coded = code_words(words)
    found = coded(torch.arange(N_WORDS)[None])[0]
    assert ((found - words).abs() <= words.abs().amax(dim=1, keepdim=True) / 200).all()
    assert not found[3].any()


@torch.no_grad()
def test_a_stored_stage_says_nearly_the_same_and_holds_nothing_that_rounding_would_change(stage):
    rows = make_rows(5, 9)
    before = stage(*rows)
    stored = reduce_weights(stage, half_from=100)
    assert isinstance(stored.words, CodedWords)
    large = [weight for weight in [*stored.parameters(), stored.words.scales] if weight.numel() >= 100]
    assert all(torch.equal(weight, weight.half().float()) for weight in large)
    for one, other in zip(before, stored(*rows), strict=True):
        torch.testing.assert_close(one, other, atol=0.02, rtol=0.02)
