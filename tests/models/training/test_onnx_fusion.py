"""The fusion out of its ONNX file: the one that ships, and files that are none."""

import pytest
import torch

from sluice_models.config import TRITON_REPO
from sluice_models.export import TOLERANCE, check_parity, export_model
from sluice_models.networks.fusion import Fusion
from sluice_models.training import checkpoint
from sluice_models.training.onnx_encoder import EncoderFileError
from sluice_models.training.onnx_fusion import find_fusion, load_exported_fusion

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def make_fusion() -> Fusion:
    torch.manual_seed(0)
    fusion = checkpoint.build_fusion().eval()
    with torch.no_grad():  # as in trained models, no two weights are equal: the exporter would store them once
        for weight in [*fusion.parameters(), fusion.scale, fusion.shift]:
            weight.add_(torch.randn(weight.shape) * 0.02)
    return fusion


def test_an_exported_fusion_comes_back_weight_by_weight(tmp_path):
    fusion, file = make_fusion(), tmp_path / "fusion" / "1" / "model.onnx"
    export_model("fusion", fusion, file)
    found = load_exported_fusion(file).state_dict()
    for name, weight in fusion.state_dict().items():
        torch.testing.assert_close(found[name], weight, atol=1e-3, rtol=1e-3)


def test_the_shipped_one_says_in_torch_what_it_says_as_it_is_served(tmp_path):
    file = TRITON_REPO / "fusion" / "1" / "model.onnx"
    parity = check_parity("fusion", find_fusion(tmp_path), file)
    assert max(parity.differences.values()) < TOLERANCE


def test_one_that_was_trained_comes_before_the_shipped_one(tmp_path):
    fusion = make_fusion()
    checkpoint.save(fusion, checkpoint.checkpoint_file(tmp_path, "fusion"))
    torch.testing.assert_close(find_fusion(tmp_path).scale, fusion.scale)


def test_what_is_no_fusion_is_refused(tmp_path):
    with pytest.raises(EncoderFileError, match="does not exist"):
        find_fusion(tmp_path, tmp_path)
    with pytest.raises(EncoderFileError, match="was not written by"):
        load_exported_fusion(TRITON_REPO / "audio_encoder" / "1" / "model.onnx")
