"""The Python-backend models of ``triton_repo/ocr_*``: PP-OCRv6 as the package `rapidocr` ships it, on the CPU.

The weights are read out of the installed package, whose hashes are pinned here. Detection begins with a small copy of
the page, since most pictures have no text at all; only small letters are looked for again in a larger one. Pages and
lines are read one by one, so that a line's text does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rapidocr
from rapidocr.ch_ppocr_det.utils import DBPostProcess
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr.utils.process_img import get_rotate_crop_image

from sluice.triton_backend.onnx_model import Arrays, TritonPythonModel, make_way
from sluice.triton_backend.sessions import open_session

DETECTOR_FILE, RECOGNISER_FILE = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
SHA256: Mapping[str, str] = {
    DETECTOR_FILE: "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    RECOGNISER_FILE: "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
"""Other weights would read other text, and what was measured would not hold."""

COARSE_PIXELS, FINE_PIXELS = 320**2, 640**2
"""Of the copies in which lines are looked for: 30 ms and 125 ms on one thread."""
SMALL_LINE_PX = 14
"""Height of a line in the coarse copy, margins included, under which lines are looked for in the fine one."""
LINE_HEIGHT_PX, MAX_LINE_WIDTH_PX = 48, 1920
"""What the recogniser takes; a longer line is squeezed."""
_STRIDE_PX = 32

Page = npt.NDArray[np.uint8]
Corners = npt.NDArray[np.float32]


class OcrModel(TritonPythonModel):
    """What both models have in common: a file of the package, and one page at a time."""

    file: str

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights; see `TritonPythonModel.initialize`."""
        cv2.setNumThreads(1)
        config = json.loads(args["model_config"])
        make_way(config)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._n_lines, *self._sizes = (int(size) for size in config["output"][0]["dims"])
        self._session = open_session(find_weights(self.file))

    def _run(self, group: list[Arrays]) -> list[Arrays]:
        return [[output[None] for output in self._read_page(*(array[0] for array in arrays))] for arrays in group]

    def _infer(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Outputs for one picture, shape = (h, w, 3), values in [-1, 1]."""
        (output,) = self._session.run(None, {"x": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})
        return np.asarray(output)

    @abstractmethod
    def _read_page(self, *arrays: npt.NDArray[Any]) -> Arrays:
        """Outputs for one row of inputs."""


class Detector(OcrModel):
    """Where the lines of text in a page are."""

    file = DETECTOR_FILE

    def _read_page(self, *arrays: npt.NDArray[Any]) -> Arrays:
        page = to_bgr(arrays[0])
        corners, certainty = self._find_lines(page, COARSE_PIXELS)
        if len(corners) and _line_px(corners, page, COARSE_PIXELS) < SMALL_LINE_PX:
            corners, certainty = self._find_lines(page, FINE_PIXELS)
        order = np.lexsort((corners[:, 0, 0], corners[:, 0, 1]))[: self._n_lines]
        shares = corners[order] / np.array([page.shape[1], page.shape[0]], np.float32)
        return [
            _fill(shares, self._n_lines),
            _fill(certainty[order], self._n_lines),
            np.array([len(corners)], np.int64),
        ]

    def _find_lines(self, page: Page, n_pixels: int) -> tuple[Corners, npt.NDArray[np.float32]]:
        """Corners in pixels of the page, shape = (n, 4, 2), and certainty."""
        height, width = page.shape[:2]
        maps = self._infer(normalise(shrink(page, n_pixels)))
        boxes, scores = DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, use_dilation=True)(
            maps, (height, width)
        )
        return np.reshape(np.asarray(boxes, np.float32), (-1, 4, 2)), np.asarray(scores, np.float32)


class Recogniser(OcrModel):
    """What lines of a page say."""

    file = RECOGNISER_FILE

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights, which name the letters."""
        super().initialize(args)
        letters = self._session.get_modelmeta().custom_metadata_map["character"]
        self._decode = CTCLabelDecode(character=letters.splitlines())

    def _read_page(self, *arrays: npt.NDArray[Any]) -> Arrays:
        page, (n_bytes,) = to_bgr(arrays[0]), self._sizes
        letters, certainty = np.zeros((self._n_lines, n_bytes), np.uint8), np.zeros(self._n_lines, np.float32)
        for index, corners in enumerate(arrays[1]):
            if corners.any():
                text, certainty[index] = self._read_line(page, corners)
                spelled = np.frombuffer(text.encode()[:n_bytes], np.uint8)
                letters[index, : len(spelled)] = spelled
        return [letters, certainty]

    def _read_line(self, page: Page, corners: Corners) -> tuple[str, float]:
        line = get_rotate_crop_image(page, np.array(corners * [page.shape[1], page.shape[0]], np.float32))
        width = min(MAX_LINE_WIDTH_PX, max(LINE_HEIGHT_PX, round(LINE_HEIGHT_PX * line.shape[1] / line.shape[0])))
        squeezed = np.asarray(cv2.resize(line, (width, LINE_HEIGHT_PX)), np.uint8)
        ((text, certainty),), _ = self._decode(self._infer(normalise(squeezed)))
        return text, certainty


def find_weights(name: str) -> Path:
    """A file of the package's models.

    Raises
    ------
    ValueError
        It is not the one that was measured.
    """
    file = Path(rapidocr.__file__).parent / "models" / name
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256[name]:
        raise ValueError(f"{name} of rapidocr is not the one that Sluice was measured with")
    return file


def to_bgr(page: Page) -> Page:
    """The colours in the order in which the models learnt them."""
    return np.ascontiguousarray(page[:, :, ::-1])


def shrink(page: Page, n_pixels: int) -> Page:
    """A copy of about so many pixels, never enlarged by more than the network's stride asks for."""
    factor = _factor(page, n_pixels)
    height, width = (max(_STRIDE_PX, round(side * factor / _STRIDE_PX) * _STRIDE_PX) for side in page.shape[:2])
    return np.asarray(cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def normalise(pixels: Page) -> npt.NDArray[np.float32]:
    """Pixels of 0 to 255 to [-1, 1], shape = (height, width, 3) as before."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def _line_px(corners: Corners, page: Page, n_pixels: int) -> float:
    """Median height of lines in a copy of so many pixels."""
    sides = np.linalg.norm(corners[:, [1, 3]] - corners[:, [0]], axis=2)
    return float(np.median(sides.min(axis=1))) * _factor(page, n_pixels)


def _factor(page: Page, n_pixels: int) -> float:
    """How much shorter the sides of a copy of so many pixels are."""
    return min(1.0, math.sqrt(n_pixels / (page.shape[0] * page.shape[1])))


def _fill(values: npt.NDArray[np.float32], n_rows: int) -> npt.NDArray[np.float32]:
    """Zeros behind, up to so many rows."""
    filled = np.zeros((n_rows, *values.shape[1:]), np.float32)
    filled[: len(values)] = values
    return filled
