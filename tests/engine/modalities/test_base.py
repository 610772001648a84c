"""How a row's arrays get the names of the encoder's inputs."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.contract import AUDIO_ENCODER, IMAGE_ENCODER, TEXT_ENCODER
from sluice.features import AudioRow, ImageRow, Row
from sluice.features.text import TextExtractor
from sluice.modalities.base import Part, inputs_of

ROWS: list = [
    (TEXT_ENCODER, TextExtractor().extract_batch(["see you at lunch"])[0].rows[0]),
    (IMAGE_ENCODER, ImageRow(np.zeros((3, 4, 4), np.uint8), (0.0, 0.0, 1.0, 1.0))),
    (AUDIO_ENCODER, AudioRow(np.zeros((8, 20), np.float32), 0.0, 0.4)),
]


@pytest.mark.parametrize(("model", "row"), ROWS, ids=[model.name for model, _ in ROWS])
def test_arrays_are_named_in_the_order_of_the_models_inputs(model, row: Row) -> None:
    inputs = inputs_of(model, row)
    assert list(inputs) == [tensor.name for tensor in model.inputs]
    assert all(array is given for array, given in zip(inputs.values(), row.arrays, strict=True))


def test_a_row_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        inputs_of(TEXT_ENCODER, ROWS[1][1])


def test_a_part_is_the_first_of_its_kind_unless_it_says_otherwise() -> None:
    assert Part(None, "text", "hello").index == 0
    assert Part(None, "image:3", "a:b", 3).index == 3
