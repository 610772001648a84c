"""Models from an ONNX file: what is taken, and what is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from sluice.contract import IMAGE_ENCODER, TEXT_ENCODER
from sluice_models.adopting.encoders import AdoptError
from sluice_models.adopting.onnx_files import graft_head, require_contract
from sluice_models.export import sample_inputs
from sluice_models.networks.heads import N_LABELS, LabelHead
from sluice_models.training.onnx_encoder import EncoderFileError, OnnxEncoder, read_head
from tests.models.adopting.miniatures import open_model, write_onnx

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", ["text_encoder", "image_encoder", "audio_encoder"])
def test_an_encoder_of_ours_computes_its_logits_with_the_head_read_from_its_file(base, name):
    file = base / name / "1" / "model.onnx"
    assert require_contract(file) == name
    inputs = sample_inputs(name, 3)
    head = read_head(file)
    _, logits, _ = OnnxEncoder(name, file, head)(*inputs.values())
    expected = open_model(base, name).run(["logits"], {key: value.numpy() for key, value in inputs.items()})[0]
    np.testing.assert_allclose(logits.detach().numpy(), expected, atol=1e-4)


def test_an_onnx_file_with_other_tensors_is_refused_by_name(base, bert, tmp_path):
    with pytest.raises(AdoptError, match="none of ours"):
        require_contract(base / "fusion" / "1" / "model.onnx")
    named = write_onnx(bert, tmp_path / "named.onnx", ("tokens", "logits", "attention"))
    with pytest.raises(AdoptError, match="token_scores"):
        require_contract(named)
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EncoderFileError, match="cannot be loaded"):
        require_contract(tmp_path / "broken.onnx")
    with pytest.raises(EncoderFileError, match="does not exist"):
        require_contract(tmp_path / "none.onnx")


def test_an_onnx_file_with_tensors_of_another_shape_is_refused(tmp_path):
    class Small(torch.nn.Module):
        def forward(self, pixels):
            mean = pixels.float().mean(dim=(1, 2, 3))
            return mean.view(-1, 1, 1).expand(-1, 4, 200), mean.view(-1, 1).expand(-1, 17), mean.view(-1, 1, 1, 1)

    rows = (sample_inputs("image_encoder", 2)["pixels"],)
    file = str(tmp_path / "small.onnx")
    names = list(IMAGE_ENCODER.output_names)
    axes = {tensor: {0: "batch"} for tensor in ("pixels", *names)}
    torch.onnx.export(
        Small(),
        rows,
        file,
        input_names=["pixels"],
        output_names=names,
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    with pytest.raises(AdoptError, match=r"tokens is float32 of shape \(1, 4, 200\), not float32 of \(1, 4, 256\)"):
        require_contract(tmp_path / "small.onnx")


class SharedMarks(torch.nn.Module):
    """Stands for a text encoder that marks words for all labels together."""

    def forward(self, input_ids, attention_mask):
        words = (input_ids * attention_mask).float()
        tokens = words.mean(dim=1).view(-1, 1, 1).expand(-1, 4, 256)
        return tokens, tokens[:, 0, :N_LABELS], torch.sigmoid(words / 100)


def test_marks_that_are_one_for_all_labels_become_those_of_every_label(tmp_path):
    rows, names = sample_inputs("text_encoder", 2), list(TEXT_ENCODER.output_names)
    axes = {name: {0: "batch", 1: "length"} for name in (*rows, "token_scores")}
    axes |= {name: {0: "batch"} for name in ("tokens", "logits")}
    torch.onnx.export(
        SharedMarks(),
        tuple(rows.values()),
        str(tmp_path / "shared.onnx"),
        input_names=list(rows),
        output_names=names,
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    assert require_contract(tmp_path / "shared.onnx") == "text_encoder"
    graft_head(tmp_path / "shared.onnx", "text_encoder", LabelHead(), None, tmp_path / "new.onnx")
    assert require_contract(tmp_path / "new.onnx") == "text_encoder"
    feed = {name: part.numpy() for name, part in rows.items()}
    wanted = onnxruntime.InferenceSession(str(tmp_path / "shared.onnx")).run(["token_scores"], feed)[0]
    found = onnxruntime.InferenceSession(str(tmp_path / "new.onnx")).run(["token_scores"], feed)[0]
    assert found.shape == (2, N_LABELS, wanted.shape[1])
    assert (found == wanted[:, None]).all()


def test_an_onnx_file_of_an_old_opset_is_refused(base, tmp_path):
    model = onnx.load(base / "audio_encoder" / "1" / "model.onnx")
    model.opset_import[0].version = 11
    onnx.save(model, tmp_path / "old.onnx")
    head = read_head(base / "audio_encoder" / "1" / "model.onnx")
    with pytest.raises(AdoptError, match="opset 11"):
        graft_head(tmp_path / "old.onnx", "audio_encoder", head, None, tmp_path / "new.onnx")
