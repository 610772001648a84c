"""Text in drawn pages: found, read line by line, whatever stands beside it. Behind a real Triton:
tests/integration/test_picture_text.py.
"""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from sluice.contract import MAX_LINES, OCR_DETECTOR, OCR_RECOGNISER, ModelSpec
from tests.engine.triton_backend.stand_in import stand_in_for_triton

Page = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture
def ocr_models(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    backend = stand_in_for_triton(monkeypatch)
    from sluice.triton_backend import ocr_models, onnx_model

    monkeypatch.setattr(onnx_model, "backend", backend)
    return ocr_models


@pytest.fixture
def detector(ocr_models: types.ModuleType) -> Any:
    return load(ocr_models.Detector(), OCR_DETECTOR)


@pytest.fixture
def recogniser(ocr_models: types.ModuleType) -> Any:
    return load(ocr_models.Recogniser(), OCR_RECOGNISER)


def load(model: Any, spec: ModelSpec) -> Any:
    config = {
        "input": [{"name": tensor.name} for tensor in spec.inputs],
        "output": [{"name": tensor.name, "dims": list(map(str, tensor.sizes()))} for tensor in spec.outputs],
    }
    model.initialize({"model_config": json.dumps(config)})
    return model


def draw(*texts: str, size: tuple[int, int] = (480, 240), letters_px: int = 32) -> Page:
    picture = Image.new("RGB", size, "white")
    for index, text in enumerate(texts):
        place = (20, 20 + index * 2 * letters_px)
        ImageDraw.Draw(picture).text(place, text, font=ImageFont.load_default(letters_px), fill="black")
    return np.asarray(picture)


def ask(model: Any, *requests: Arrays) -> list[Arrays]:
    """Outputs by name, a row each."""
    responses = model.execute([{name: array[None] for name, array in request.items()} for request in requests])
    assert [response.error for response in responses] == [None] * len(requests)
    return [{tensor.name: tensor.array[0] for tensor in response.tensors} for response in responses]


def read(recogniser: Any, page: Page, corners: npt.NDArray[np.float32]) -> list[str]:
    (outputs,) = ask(recogniser, {"page": page, "corners": corners[: OCR_RECOGNISER.inputs[1].sizes()[0]]})
    return [bytes(letters).rstrip(b"\0").decode() for letters in outputs["letters"]]


def shapes(outputs: Arrays) -> list[tuple[tuple[int, ...], str]]:
    return [(array.shape, array.dtype.name) for array in outputs.values()]


def test_lines_are_found_from_top_to_bottom_and_read(detector: Any, recogniser: Any) -> None:
    page = draw("The library is closed", "until Monday")
    (found,) = ask(detector, {"page": page})
    assert shapes(found) == [((MAX_LINES, 4, 2), "float32"), ((MAX_LINES,), "float32"), ((1,), "int64")]
    assert found["n_lines"] == [2]
    assert (found["certainty"] > 0.5).tolist() == [True, True] + [False] * (MAX_LINES - 2)
    tops = found["corners"][:2, 0, 1]
    assert 0.0 < tops[0] < 0.2 < tops[1] < 0.5
    assert read(recogniser, page, found["corners"]) == ["The library is closed", "until Monday", *[""] * 6]


def test_a_picture_without_text_has_no_lines(detector: Any) -> None:
    gradient = np.asarray(Image.linear_gradient("L").convert("RGB"))
    (found,) = ask(detector, {"page": gradient})
    assert not found["corners"].any()
    assert not found["certainty"].any()
    assert found["n_lines"] == [0]


def test_small_letters_on_a_large_page_are_read(detector: Any, recogniser: Any) -> None:
    page = draw("The library is closed on Monday", size=(1000, 1000), letters_px=15)
    (found,) = ask(detector, {"page": page})
    assert read(recogniser, page, found["corners"])[0] == "The library is closed on Monday"


def test_no_page_changes_another_one(detector: Any) -> None:
    pages: Sequence[Page] = [draw("one"), draw("two words", "and two more"), draw()]
    alone = [ask(detector, {"page": page})[0] for page in pages]
    together = ask(detector, *({"page": page} for page in pages))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_smallest_page_there_is_has_no_lines(detector: Any, recogniser: Any) -> None:
    smallest = np.zeros(OCR_DETECTOR.inputs[0].sizes(), np.uint8)
    (found,) = ask(detector, {"page": smallest})
    assert found["n_lines"] == [0]
    assert read(recogniser, smallest, found["corners"]) == [""] * 8


def test_lines_over_the_limit_are_counted(ocr_models: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = load(ocr_models.Detector(), OCR_DETECTOR)
    boxes = np.arange(70, dtype=np.float32)[:, None, None] + np.array([[0, 0], [9, 0], [9, 1], [0, 1]], np.float32)
    monkeypatch.setattr(detector, "_find_lines", lambda page, n_pixels: (boxes, np.full(70, 0.9, np.float32)))
    (found,) = ask(detector, {"page": draw("a")})
    assert found["n_lines"] == [70]
    assert (found["certainty"] > 0).all()


def test_other_weights_are_refused(
    ocr_models: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ocr_models.DETECTOR_FILE).write_bytes(b"other")
    monkeypatch.setattr(ocr_models.rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ValueError, match="not the one that Sluice was measured with"):
        ocr_models.find_weights(ocr_models.DETECTOR_FILE)
