"""What Triton serves is compared with the contract, and a difference is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sluice.contract import FIRST_STAGE, IMAGE_ENCODER, LABELS, MODELS, TEXT_ENCODER, ModelSpec, TensorSpec
from sluice.errors import ModelMismatch
from sluice.inference import Clearance
from sluice.inference.fit import check_config, check_outputs, read_clearance
from tests.kserve import as_config


def test_a_first_stage_says_what_it_may_clear() -> None:
    config = as_config(FIRST_STAGE)
    assert read_clearance(config) is None
    config.parameters["thresholds"].string_value = "threat:0.3, hate:0.9176016449928284"
    assert read_clearance(config) == Clearance({}, {"threat": 0.3, "hate": 0.9176016449928284})
    config.parameters["languages"].string_value = "en:0.25, zh:-1"
    assert read_clearance(config) == Clearance({"en": 0.25, "zh": -1.0}, {"threat": 0.3, "hate": 0.9176016449928284})


@pytest.mark.parametrize("said", ["", "threat", "threat:high", "threat:0.3,,"])
def test_what_is_no_threshold_clears_nothing(said: str) -> None:
    config = as_config(FIRST_STAGE)
    config.parameters["thresholds"].string_value = said
    assert read_clearance(config) is None


def test_languages_without_a_limit_clear_nothing() -> None:
    config = as_config(FIRST_STAGE)
    config.parameters["thresholds"].string_value = "threat:0.3"
    config.parameters["languages"].string_value = "en,zh"
    assert read_clearance(config) is None


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_what_the_contract_says_fits(spec: ModelSpec) -> None:
    config = as_config(spec)
    config.parameters["labels"].string_value = ",".join(LABELS)
    check_config(spec, config)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (
            replace(IMAGE_ENCODER, inputs=(TensorSpec("pixels", "FP32", (3, 160, 160)),)),
            r"input pixels is FP32 \[3, 160, 160\], UINT8 \[3, 160, 160\] is wanted",
        ),
        (
            replace(IMAGE_ENCODER, inputs=(TensorSpec("pixels", "UINT8", (3, 224, 224)),)),
            r"input pixels is UINT8 \[3, 224, 224\]",
        ),
        (replace(IMAGE_ENCODER, outputs=IMAGE_ENCODER.outputs[1:]), "output tokens is missing"),
        (
            replace(IMAGE_ENCODER, outputs=(TensorSpec("logits", "FP32", (3,)), *IMAGE_ENCODER.outputs[::2])),
            r"output logits is FP32 \[3\]",
        ),
        (
            replace(IMAGE_ENCODER, inputs=(*IMAGE_ENCODER.inputs, TensorSpec("mask", "BOOL", (1,)))),
            "input mask is unknown",
        ),
        (replace(IMAGE_ENCODER, max_rows=8), "max_batch_size is 8, 32 is wanted"),
    ],
)
def test_a_difference_is_named(served: ModelSpec, message: str) -> None:
    with pytest.raises(ModelMismatch, match=f"image_encoder does not fit this worker: .*{message}") as caught:
        check_config(IMAGE_ENCODER, as_config(served))
    assert caught.value.model == "image_encoder"


def test_labels_in_another_order_are_other_labels() -> None:
    config = as_config(IMAGE_ENCODER)
    config.parameters["labels"].string_value = ",".join(reversed(LABELS))
    with pytest.raises(ModelMismatch, match="its labels are shouting,"):
        check_config(IMAGE_ENCODER, config)


BATCH = {name: np.zeros((2, 7), np.int64) for name in ("input_ids", "attention_mask")}
OUTPUTS = [np.zeros((2, 4, 256), np.float32), np.zeros((2, 17), np.float32), np.zeros((2, 17, 7), np.float32)]


def test_outputs_as_agreed_are_taken() -> None:
    assert check_outputs(TEXT_ENCODER, BATCH, OUTPUTS) == OUTPUTS


@pytest.mark.parametrize(
    "changed",
    [None, np.zeros((2, 16), np.float32), np.zeros((1, 17), np.float32), np.zeros((2, 17), np.float64)],
)
def test_outputs_of_another_model_are_not_taken(changed: np.ndarray | None) -> None:
    with pytest.raises(ModelMismatch, match="text_encoder does not fit this worker: output logits"):
        check_outputs(TEXT_ENCODER, BATCH, [OUTPUTS[0], changed, OUTPUTS[2]])
