"""A batch goes to the device whole, whatever it is made of; what computes in bfloat16."""

from dataclasses import fields
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sluice_models.recipes.text.reading import TextBatch
from sluice_models.training.device import knows_bfloat16, move

pytestmark = pytest.mark.torch
NOWHERE = torch.device("meta")


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


def test_tensors_in_tuples_and_dataclasses_move_and_the_rest_stays():
    pair = move(Pair(torch.zeros(2), torch.ones(3)), NOWHERE)
    assert isinstance(pair, Pair)
    assert pair.right.device == NOWHERE
    tensors = {field.name: torch.zeros(1) for field in fields(TextBatch) if field.name != "sources"}
    batch = move(TextBatch(**tensors, sources=("a source",)), NOWHERE)
    assert batch.targets.device == NOWHERE
    assert batch.sources == ("a source",)
    assert [part.device for part in move((torch.zeros(1), torch.zeros(1)), NOWHERE)] == [NOWHERE, NOWHERE]


@pytest.mark.parametrize(("capability", "known"), [("DEFAULT", False), ("AVX2", False), ("AVX512", True)])
def test_processors_know_bfloat16_from_avx_512_on(monkeypatch, capability, known):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert knows_bfloat16("cpu") is known
    assert knows_bfloat16("cuda")
