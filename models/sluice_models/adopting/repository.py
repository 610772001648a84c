"""Writes a Triton repository with an adopted encoder in it: a copy of another one, in which files are replaced."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from sluice.contract import FIRST_STAGE, SPECS, Axis, TensorSpec
from sluice_models.adopting.encoders import AdoptError
from sluice_models.config import MODEL_NAMES, ModelName
from sluice_models.configs import QUANTISE, VARIANTS, render_tensor
from sluice_models.plans.profiles import sample_rows
from sluice_models.training.onnx_encoder import open_session

TOKENIZER_NAME = "tokenizer.json"


def require_repository(folder: Path) -> Path:
    """The folder, if it holds all models; else raises `AdoptError`."""
    for name in MODEL_NAMES:
        for file in ("config.pbtxt", "1/model.onnx"):
            if not (folder / name / file).is_file():
                raise AdoptError(f"{folder / name / file} does not exist; --base takes a repository of all four models")
    return folder


def require_new(base: Path, out: Path) -> Path:
    """The folder to write to; raises `AdoptError` if it is the one to copy from."""
    if out.resolve() == base.resolve():
        raise AdoptError(f"--out is --base: {out}; an adopted encoder goes beside the models, not over them")
    return out


def copy_repository(base: Path, out: Path, replaced: ModelName) -> None:
    """Copy all models; what an earlier adoption left there and belongs to other weights goes.

    A tokenizer that the other repository has stays, unless the text encoder is what is `replaced`. The first stage is
    left out: it says what another text encoder and another fusion would.
    """
    shutil.copytree(base, out, ignore=shutil.ignore_patterns("*.plan", "__pycache__"), dirs_exist_ok=True)
    for name in MODEL_NAMES:
        (out / name / "1" / "model.plan").unlink(missing_ok=True)
    if replaced == "text_encoder" or find_tokenizer(base) is None:
        _tokenizer_file(out).unlink(missing_ok=True)
    shutil.rmtree(out / FIRST_STAGE.name, ignore_errors=True)


def _tokenizer_file(repository: Path) -> Path:
    return repository / "text_encoder" / TOKENIZER_NAME


def find_tokenizer(repository: Path) -> str | None:
    """Where the tokenizer of an adopted text encoder lies; None where the encoder is ours."""
    file = _tokenizer_file(repository)
    return str(file) if file.is_file() else None


def onnx_file(repository: Path, name: ModelName) -> Path:
    """Where a model lies."""
    return repository / name / "1" / "model.onnx"


def describe_model(repository: Path, name: ModelName) -> None:
    """Fit the configurations to the encoder that is there: the size of its evidence, and no quantisation.

    Eight-bit weights are measured for our own encoders only; an adopted one is served as it is.
    """
    evidence = SPECS[name].evidence
    session = open_session(onnx_file(repository, name))
    inputs = [tensor.name for tensor in session.get_inputs()]
    (found,) = session.run([evidence.name], sample_rows(name, inputs, 1))
    sizes = zip(evidence.shape, found.shape[1:], strict=True)
    served = replace(evidence, shape=tuple(ours if isinstance(ours, Axis) else theirs for ours, theirs in sizes))
    for file in (repository / name / variant.file for variant in VARIANTS):
        if file.is_file():
            text = file.read_text("utf-8").replace(f"{QUANTISE}\n", "")
            file.write_text(_describe_tensor(text, served), "utf-8")


def _describe_tensor(text: str, tensor: TensorSpec) -> str:
    return re.sub(rf'\{{ name: "{tensor.name}" [^}}]*\}}', render_tensor(tensor), text)


def write_tokenizer(repository: Path, content: dict[str, Any]) -> None:
    """Put the tokenizer beside the encoder whose words it spells; Triton passes over it."""
    _tokenizer_file(repository).write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
