"""The contract stands once: what reads it follows a changed number, and it can be read without any library."""

from __future__ import annotations

import json
import subprocess
import sys
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
    "MIN_BYTE_TOKENS, BYTE_WINDOW_TOKENS": "2, 150",
    "IMAGE_SIZE_PX": "144",
    "HEATMAP_CELLS": "9",
    "N_MELS": "61",
    "N_FRAMES": "190",
    "N_SCORED_FRAMES": "38",
    "MAX_TEXT_ROWS": "21",
    "MAX_IMAGE_ROWS": "7",
    "MAX_AUDIO_ROWS": "34",
    "MAX_FUSED_ROWS": "7",
}
"""Every number of the contract, another one."""

EDITED = f"""
import json, re, sys, types
from pathlib import Path

def edit():
    source = Path({contract.__file__!r}).read_text("utf-8")
    for name, value in {EDITS!r}.items():
        source, n_edited = re.subn("(?m)^" + name + " = .*$", name + " = " + value, source)
        assert n_edited == 1, name
    source = source.replace('"pixels"', '"planes"')
    module = types.ModuleType("sluice.contract")
    sys.modules["sluice.contract"] = module
    exec(compile(source, "contract", "exec"), module.__dict__)

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
from sluice.features import audio, image, text
from sluice.inference.fake import ScriptedClassifier
from sluice.inference.triton import _smallest_batch
from sluice.modalities.audio import AudioModality
from sluice.modalities.image import ImageModality
from sluice.verdict import fusion

async def answer(model):
    row = {tensor.name: np.zeros(tensor.sizes(), bool) for tensor in model.inputs}
    (outputs,) = await ScriptedClassifier().infer(model, [row], 1e9)
    return {name: array.shape for name, array in outputs.items()}

from sluice.contract import AUDIO_ENCODER, FUSION, IMAGE_ENCODER, MODELS, TEXT_ENCODER
print(json.dumps({
    "labels": schema.LABELS[-2:],
    "limits": [ImageModality.n_read, AudioModality.n_read],
    "rows": [text.MAX_WINDOWS, image.MAX_ROWS, audio.MAX_WINDOWS],
    "text": len(text.TextExtractor().extract("word " * 900).rows[0].input_ids),
    "bytes": len(text.TextExtractor().extract("\u0b94 " * 90).rows[0].byte_ids),
    "image": image.image_rows(image.Image.new("RGB", (9, 9)))[0].pixels.shape,
    "audio": audio.log_mel(np.zeros(9, np.float32)).shape,
    "probes": {model.name: {name: rows.shape for name, rows in _smallest_batch(model).items()} for model in MODELS},
    "answers": {model.name: asyncio.run(answer(model)) for model in MODELS},
    "fusion": [fusion.MAX_FUSED_ROWS, fusion.fusion_rows([])[0]["tokens"].shape],
}))
"""


def test_every_part_of_the_engine_follows_an_edited_number() -> None:
    tokens = [3, 251]
    assert run_edited(SAY_ENGINE) == {
        "labels": ["shouting", "another"],
        "limits": [9, 5],
        "rows": [21, 7, 17],
        "text": 97,
        "bytes": 150,
        "image": [3, 144, 144],
        "audio": [61, 190],
        "probes": {
            "text_encoder": {
                "input_ids": [1, 3], "attention_mask": [1, 3], "byte_ids": [1, 2], "byte_mask": [1, 2],
            },
            "image_encoder": {"planes": [1, 3, 144, 144]},
            "audio_encoder": {"log_mel": [1, 61, 190]},
            "fusion": {"tokens": [1, 1, 251], "mask": [1, 1], "kind": [1, 1]},
        },
        "answers": {
            "text_encoder": {"tokens": tokens, "logits": [18], "token_scores": [3]},
            "image_encoder": {"tokens": tokens, "logits": [18], "heatmap": [18, 9, 9]},
            "audio_encoder": {"tokens": tokens, "logits": [18], "frame_scores": [18, 38]},
            "fusion": {"logits": [18], "severity": [18]},
        },
        "fusion": [7, [1, 251]],
    }  # fmt: skip


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
