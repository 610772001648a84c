"""The contract stands once: what reads it follows a changed number, and it can be read without any library."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import get_args

import pytest

from sluice import contract
from sluice.contract import MODEL_NAMES, MODELS, Size

EDITS = {
    "CUES": '("fire", "gunshot", "scream", "shouting", "another")',
    "MAX_IMAGES, MAX_AUDIO": "9, 5",
    "N_TOKENS": "3",
    "D_TOKEN": "251",
    "MIN_TEXT_TOKENS, TEXT_WINDOW_TOKENS": "3, 97",
    "IMAGE_SIZE_PX": "144",
    "HEATMAP_CELLS": "9",
    "N_MELS": "61",
    "N_FRAMES": "190",
    "N_SCORED_FRAMES": "38",
    "MAX_TEXT_ROWS": "42",
    "MAX_IMAGE_ROWS": "7",
    "MAX_AUDIO_ROWS": "34",
    "MAX_FUSED_ROWS": "7",
    "PAGE_PIXELS": "262_144",
    "ALL_PAGES_PIXELS": "3 * PAGE_PIXELS",
    "MIN_PAGE_PX, USUAL_PAGE_PX": "13, 600",
    "PAGES_TOGETHER": "2",
    "READING_REQUESTS": "3",
    "MAX_LINES": "48",
    "LINES_TOGETHER": "5",
    "MAX_LINE_BYTES": "300",
    "USUAL_BATCH": "7",
    "    max_rows: int": "33",
    "    max_cells: int": "2000",
    "    n_requests: int": "5",
}
"""What stands behind a name, and what takes its place."""

FURTHER_EDITS = {
    r"MIN_TEXT_TOKENS, \d+": "MIN_TEXT_TOKENS, 31",
    r"\d+ \* N_TOKENS": "5 * N_TOKENS",
    r"    max_rows=\d+": "    max_rows=65",
    r"    max_cells=\d+": "    max_cells=3000",
    r"    n_requests=\d+": "    n_requests=2",
    '"pixels"': '"planes"',
}
"""What stands within a line."""

N_PLACES = {r"    max_rows=\d+": 2, r"    n_requests=\d+": 2}
"""Of those that more than one model has."""

NOT_EDITED = {
    "MAX_PARTS": [1, 2, 2],  # a post has one text; an image and a clip count with the text in each
    "Size": [0, 1, 2],  # places in a tuple
    "ENCODER_NAMES": [1],  # all but the last
    "ModelSpec": [2],  # the place of the evidence among an encoder's outputs
    "IMAGE_ENCODER": [3],  # red, green and blue
    "_PAGE": [3],
    "_CORNERS": [4, 2],
    "FIRST_STAGE": [1],  # one suspicion
    "OCR_DETECTOR": [1],  # one count
}
"""Numbers that have no other value, by the statement that they stand in."""


def edit(source: str) -> str:
    """The contract's source with another number for every one of them."""
    named = {rf"(?m)^{name} = .*$": f"{name} = {value}" for name, value in EDITS.items()}
    for pattern, text in {**named, **FURTHER_EDITS}.items():
        source, n_edited = re.subn(pattern, text, source)
        assert n_edited == N_PLACES.get(pattern, 1), pattern
    return source


SOURCE = Path(contract.__file__).read_text("utf-8")

EDITED = f"""
import json, sys, types

def edit():
    module = types.ModuleType("sluice.contract")
    sys.modules["sluice.contract"] = module
    exec(compile({edit(SOURCE)!r}, "contract", "exec"), module.__dict__)

edit()
"""


def run_edited(code: str) -> dict[str, object]:
    """What `code` prints as JSON where every number of the contract is another one."""
    command = [sys.executable, "-c", EDITED + code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


SAY_ENGINE = """
import asyncio
import numpy as np
from sluice import schema
from sluice.features import audio, image, text, windows
from sluice.inference.batching import BatchQueue
from sluice.inference.fake import ScriptedClassifier
from sluice.inference.triton import _smallest_batch
from sluice.modalities.audio import AudioModality
from sluice.modalities.image import ImageModality
from sluice.verdict import fusion

async def answer(model):
    row = {tensor.name: np.zeros(tensor.sizes(), bool) for tensor in model.inputs}
    (outputs,) = await ScriptedClassifier().infer(model, [row], 1e9)
    return {name: array.shape for name, array in outputs.items()}

async def requests(model, size):
    n_rows, gate = [], asyncio.Event()

    async def send(_model, batch, deadline):
        n_rows.append(len(batch[model.inputs[0].name]))
        await gate.wait()
        return [np.zeros((n_rows[-1], *tensor.sizes(size))) for tensor in model.outputs]

    row = {tensor.name: np.zeros(tensor.sizes(size)) for tensor in model.inputs}
    answers = asyncio.ensure_future(BatchQueue(model, send, None).run([row] * 500, 1e9))
    for _ in range(99):
        await asyncio.sleep(0)
    at_once = list(n_rows)
    answers.cancel()
    return at_once

from sluice.contract import AUDIO_ENCODER, FUSION, IMAGE_ENCODER, MODELS, TEXT_ENCODER, Size
print(json.dumps({
    "labels": schema.LABELS[-2:],
    "limits": [ImageModality.n_read, AudioModality.n_read],
    "rows": [windows.MAX_WINDOWS, image.MAX_ROWS, audio.MAX_WINDOWS],
    "text": len(text.TextExtractor().extract("word " * 900).rows[0].input_ids),
    "image": image.image_rows(image.Image.new("RGB", (9, 9)))[0].pixels.shape,
    "audio": audio.log_mel(np.zeros(9, np.float32)).shape,
    "probes": {model.name: {name: rows.shape for name, rows in _smallest_batch(model).items()} for model in MODELS},
    "answers": {model.name: asyncio.run(answer(model)) for model in MODELS},
    "fusion": [fusion.MAX_FUSED_ROWS, fusion.fusion_rows([])[0]["tokens"].shape],
    "requests": {model.name: [asyncio.run(requests(model, size)) for size in (Size.SMALLEST, Size.LARGEST)]
                 for model in MODELS},
}))
"""


def test_every_part_of_the_engine_follows_an_edited_number() -> None:
    tokens = [3, 251]
    assert run_edited(SAY_ENGINE) == {
        "labels": ["shouting", "another"],
        "limits": [9, 5],
        "rows": [21, 7, 17],
        "text": 97,
        "image": [3, 144, 144],
        "audio": [61, 190],
        "probes": {
            "text_encoder": {"input_ids": [1, 3], "attention_mask": [1, 3]},
            "image_encoder": {"planes": [1, 3, 144, 144]},
            "audio_encoder": {"log_mel": [1, 61, 190]},
            "fusion": {"tokens": [1, 3, 251], "mask": [1, 3], "kind": [1, 3]},
        },
        "answers": {
            "text_encoder": {"tokens": tokens, "logits": [18], "token_scores": [18, 3]},
            "image_encoder": {"tokens": tokens, "logits": [18], "heatmap": [18, 9, 9]},
            "audio_encoder": {"tokens": tokens, "logits": [18], "frame_scores": [18, 38]},
            "fusion": {"logits": [18], "severity": [18]},
        },
        "fusion": [7, [3, 251]],
        "requests": {
            "text_encoder": [[33] * 5, [2000 // 97] * 5],
            "image_encoder": [[33] * 5] * 2,
            "audio_encoder": [[33] * 5] * 2,
            "fusion": [[65] * 2, [3000 // (29 * 7 * 3)] * 2],
        },
    }  # fmt: skip


def name_of(statement: ast.stmt) -> str:
    named = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", statement)
    return ast.unparse(named) if isinstance(named, ast.expr) else getattr(named, "name", "")


def numbers_of(source: str) -> list[tuple[str, int]]:
    """Every number, and the statement that it stands in."""
    return [
        (name_of(statement), node.value)
        for statement in ast.parse(source).body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and type(node.value) is int
    ]


def test_every_number_is_edited_or_has_no_other_value() -> None:
    kept = defaultdict(list)
    for (name, number), (_, edited) in zip(numbers_of(SOURCE), numbers_of(edit(SOURCE)), strict=True):
        if number == edited:
            kept[name].append(number)
    assert kept == NOT_EDITED


def test_it_can_be_read_where_no_library_is_installed() -> None:
    command = [sys.executable, "-S", "-c", "import sluice.contract"]  # without site-packages
    folder = Path(contract.__file__).parents[1]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder)})
    assert result.returncode == 0, result.stderr


def test_models_have_the_names_that_are_listed() -> None:
    assert tuple(model.name for model in MODELS) == MODEL_NAMES
    assert len(MODELS) == len(get_args(contract.ModalityName)) + 1


@pytest.mark.parametrize("model", MODELS, ids=MODEL_NAMES)
def test_sizes_grow_and_a_name_has_one_axis(model: contract.ModelSpec) -> None:
    for tensor in (*model.inputs, *model.outputs):
        smallest, usual, largest = (tensor.sizes(size) for size in Size)
        assert all(a <= b <= c for a, b, c in zip(smallest, usual, largest, strict=True))
    axes = {size for tensor in model.inputs for size in tensor.shape if isinstance(size, contract.Axis)}
    assert len({axis.name for axis in axes}) == len(axes)
