"""Offsets per data set: only for what is a matter of judgement, only for their source, and none for the rest."""

import pytest
import torch

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.training.source_offsets import JUDGED, N_SLOTS, SourceOffsets, find_sources

pytestmark = pytest.mark.torch
N_LABELS = len(LABELS)


@pytest.fixture
def offsets():
    offsets = SourceOffsets(["lenient", "strict"])
    with torch.no_grad():
        offsets.table.weight[2] = 1.5
    return offsets


def test_nothing_is_moved_before_training():
    logits = torch.randn(2, N_LABELS)
    assert torch.equal(SourceOffsets(["one"])(logits, ("one", "other")), logits)


def test_an_offset_moves_what_is_a_matter_of_judgement_and_only_for_its_source(offsets):
    logits = offsets(torch.zeros(3, N_LABELS), ("strict", "lenient", "ours"))
    moved = {label for label, logit in zip(LABELS, logits[0].tolist(), strict=True) if logit == 1.5}
    assert moved == {"toxicity", "hate", "harassment"}
    assert not logits[1:].any()


def test_the_logits_themselves_are_left_alone(offsets):
    logits = torch.zeros(1, N_LABELS)
    offsets(logits, ("strict",))
    assert not logits.any()


def test_half_precision_logits_are_moved_in_single_precision(offsets):
    moved = offsets(torch.zeros(1, N_LABELS, dtype=torch.bfloat16), ("strict",))
    assert moved.dtype == torch.float32


def test_only_the_source_of_a_row_learns_from_it():
    offsets = SourceOffsets(["one", "two"])
    offsets(torch.zeros(2, N_LABELS), ("one", "ours")).sum().backward()
    learned = offsets.table.weight.grad.abs().sum(dim=1)
    assert learned[1] == len(JUDGED)
    assert not learned[[0, *range(2, N_SLOTS)]].any()


def test_too_many_sources_are_refused():
    SourceOffsets(map(str, range(N_SLOTS - 1)))
    with pytest.raises(SettingsError, match=f"at most {N_SLOTS - 1}"):
        SourceOffsets(map(str, range(N_SLOTS)))


def test_sources_have_the_same_slots_whatever_the_order_of_rows():
    rows = [Example(source, "text", None, "en", None, source) for source in ("b", "a", "b", "c")]
    assert find_sources(rows) == find_sources(rows[::-1]) == ["a", "b", "c"]
