"""Writes how Triton serves each model, out of the contract: ``python -m sluice_models.configs``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from sluice.contract import (
    CELL_COST_PARAMETER,
    FIRST_STAGE,
    FUSION,
    LABELS,
    LABELS_PARAMETER,
    LANGUAGES_PARAMETER,
    MODELS,
    OCR_MODELS,
    REQUEST_COST_PARAMETER,
    TEXT_ENCODER,
    THRESHOLDS_PARAMETER,
    Axis,
    ModelSpec,
    TensorSpec,
)
from sluice.errors import SluiceError
from sluice_models.config import TRITON_REPO, Measured, read_languages, read_measured
from sluice_models.console import report_errors

QUEUE_DELAY_US = 500
"""How long Triton waits for company for a row; the worker has made batches already."""


class StaleConfigError(SluiceError):
    """A configuration is not what the contract says."""


@dataclass(frozen=True)
class Variant:
    """One way to serve every model.

    Attributes
    ----------
    file : str
        In the model's folder.
    comment : str
    runs : str
        The line that names Triton's backend or platform.
    model_file : str
    instances : str
        Triton's kind of instance group.
    """

    file: str
    comment: str
    runs: str
    model_file: str
    instances: str


VARIANTS = (
    Variant(
        "config.pbtxt",
        "ONNX Runtime backend: the official Triton image, with or without a GPU.",
        'backend: "onnxruntime"',
        "model.onnx",
        "KIND_AUTO",
    ),
    Variant(
        "configs/cpu.pbtxt",
        "Python backend: 1/model.py runs model.onnx in ONNX Runtime on the CPU (--model-config-name=cpu).",
        'backend: "python"',
        "model.py",
        "KIND_CPU",
    ),
    Variant(
        "configs/tensorrt.pbtxt",
        "TensorRT: 1/model.plan, built by python -m sluice_models.plan on the GPU that serves it "
        "(--model-config-name=tensorrt).",
        'platform: "tensorrt_plan"',
        "model.plan",
        "KIND_GPU",
    ),
)

CPU_COSTS_US = {
    "text_encoder": (5114, 192),
    "image_encoder": (4095, 29447),
    "audio_encoder": (2985, 4799),
    "fusion": (1826, 31),
    "first_stage": (1172, 6),
}
"""A request by itself and each of its cells, in microseconds; the ratio counts. ``python ops/bench/costs.py`` measured
them on two cores of a busy server (AMD EPYC, AVX2 without VNNI) whose other work gave way; with VNNI all are smaller. A
run just before said 5544 and 216, 6620 and 33128, 3087 and 5189, 2421 and 34. The first
stage was measured later, twice: 1323 and 7, then this."""


def _render_parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'


QUANTISE = _render_parameter("quantise", "rows8")
TEXT_NICENESS, MEDIA_NICENESS = 5, 10
"""On a CPU the fusion takes a millisecond, and is not to wait for texts, which take some; these are not to wait for
pictures and sound, which take tens and hundreds."""
NAMED_LABELS = _render_parameter(LABELS_PARAMETER, ",".join(LABELS))
"""A worker compares them with its own: as many labels in another order would be other verdicts."""

ON_CPU = replace(
    VARIANTS[1],
    comment="Python backend: 1/model.py runs the detector and recogniser of the package rapidocr in ONNX Runtime on "
    "the CPU.",
)
"""How text in pictures is read, whatever serves the other models: the weights come with a Python package."""
CHEAP = replace(VARIANTS[1], comment="Python backend: 1/model.py runs model.onnx in ONNX Runtime on the CPU.")
"""How the first stage runs, whatever serves the other models: a text costs it less than the way to a GPU."""
STANDS_FOR_PARAMETER = "stands_for"
"""Of the first stage's configuration: the text encoder and the fusion that it learned from."""

N_TEXT_INSTANCES = 2
"""On a CPU the text encoder takes the most time: two rows of batches run side by side."""


def render(model: ModelSpec, variant: Variant, languages: Sequence[str]) -> str:
    """A model's configuration, in protobuf's text format; the text encoder's names its languages."""
    is_on_cpu = variant.instances == "KIND_CPU"
    is_large = model is TEXT_ENCODER and is_on_cpu
    lines = [
        *_render_model(model, variant),
        *_render_serving(model, variant),
        NAMED_LABELS,
        *([QUANTISE] if is_large else []),
        *(_render_niceness(model) if is_on_cpu else []),
        *([_render_languages(languages)] if model is TEXT_ENCODER else []),
        _render_instances(N_TEXT_INSTANCES if is_large else 1, variant),
    ]
    return "\n".join(lines) + "\n"


def _render_serving(model: ModelSpec, variant: Variant) -> list[str]:
    """On a GPU requests are merged; on a CPU that saves nothing, and one instance would run what two could."""
    if variant.instances == "KIND_CPU":
        costs = zip((REQUEST_COST_PARAMETER, CELL_COST_PARAMETER), CPU_COSTS_US[model.name], strict=True)
        return [_render_parameter(name, str(cost)) for name, cost in costs]
    return [f"dynamic_batching {{ max_queue_delay_microseconds: {QUEUE_DELAY_US} }}"]


def render_ocr(model: ModelSpec) -> str:
    """The configuration of a model that reads text in pictures: one page at a time, on the CPU."""
    return "\n".join([*_render_model(model, ON_CPU), *_render_niceness(model), _render_instances(1, ON_CPU)]) + "\n"


def render_first_stage(measured: Measured) -> str:
    """The configuration of the first stage: what it was measured on goes along, for the worker to keep to."""
    thresholds = ",".join(f"{label}:{score!r}" for label, score in measured.thresholds.items())
    lines = [
        *_render_model(FIRST_STAGE, CHEAP),
        *_render_serving(FIRST_STAGE, CHEAP),
        NAMED_LABELS,
        _render_languages([f"{code}:{limit!r}" for code, limit in measured.languages.items()]),
        _render_parameter(THRESHOLDS_PARAMETER, thresholds),
        _render_parameter(STANDS_FOR_PARAMETER, measured.stands_for),
        _render_instances(1, CHEAP),
    ]
    return "\n".join(lines) + "\n"


def _render_niceness(model: ModelSpec) -> list[str]:
    if model is FUSION:
        return []
    return [_render_parameter("niceness", str(TEXT_NICENESS if model is TEXT_ENCODER else MEDIA_NICENESS))]


def _render_model(model: ModelSpec, variant: Variant) -> list[str]:
    return [
        f"# {variant.comment}",
        f'name: "{model.name}"',
        variant.runs,
        f'default_model_filename: "{variant.model_file}"',
        f"max_batch_size: {model.max_rows}",
        *_render_tensors("input", model.inputs),
        *_render_tensors("output", model.outputs),
    ]


def _render_instances(count: int, variant: Variant) -> str:
    return f"instance_group [ {{ count: {count} kind: {variant.instances} }} ]"


def _render_languages(languages: Sequence[str]) -> str:
    return _render_parameter(LANGUAGES_PARAMETER, ",".join(languages))


def _render_tensors(direction: str, tensors: tuple[TensorSpec, ...]) -> list[str]:
    described = ",\n".join(f"  {render_tensor(tensor)}" for tensor in tensors)
    return [f"{direction} [", described, "]"]


def render_tensor(tensor: TensorSpec) -> str:
    """One entry of a configuration's inputs or outputs."""
    dims = ", ".join("-1" if isinstance(size, Axis) else str(size) for size in tensor.shape)
    return f'{{ name: "{tensor.name}" data_type: TYPE_{tensor.type} dims: [ {dims} ] }}'


def render_all(repository: Path = TRITON_REPO) -> dict[Path, str]:
    """Every configuration by its path in the repository; the first stage's where there is one."""
    languages = read_languages(repository)
    ours = {
        Path(model.name) / variant.file: render(model, variant, languages) for model in MODELS for variant in VARIANTS
    }
    measured = read_measured(repository)
    first = {Path(FIRST_STAGE.name) / VARIANTS[0].file: render_first_stage(measured)} if measured else {}
    return ours | first | {Path(model.name) / VARIANTS[0].file: render_ocr(model) for model in OCR_MODELS}


def find_stale(repository: Path) -> list[Path]:
    """Files of a repository that are missing or not what the contract says."""
    files = ((repository / name, content) for name, content in render_all(repository).items())
    return [file for file, content in files if not file.is_file() or file.read_text("utf-8") != content]


def main(
    repository: Annotated[Path, typer.Option(help="The Triton model repository.")] = TRITON_REPO,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file would change.")] = False,
) -> None:
    """Write config.pbtxt and configs/*.pbtxt of every model."""
    with report_errors():
        stale = find_stale(repository)
        if check and stale:
            raise StaleConfigError(f"run python -m sluice_models.configs: {', '.join(map(str, stale))}")
        for name, content in render_all(repository).items():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(content, "utf-8")
        n_models = len({name.parts[0] for name in render_all(repository)})
        typer.echo(f"{n_models} models, {len(stale)} files changed")


if __name__ == "__main__":
    typer.run(main)
