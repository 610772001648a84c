"""Whether what Triton serves is what this worker was written for: tensors, their types and shapes, and the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tritonclient.grpc import model_config_pb2

from sluice.contract import (
    LABELS,
    LABELS_PARAMETER,
    LANGUAGES_PARAMETER,
    THRESHOLDS_PARAMETER,
    Axis,
    ModelSpec,
    TensorSpec,
)
from sluice.errors import ModelMismatch
from sluice.inference import Array, Clearance
from sluice.inference.requests import dtype_of


def read_languages(config: Any) -> tuple[str, ...] | None:
    """The languages that a model's configuration names; None if it names none.

    Parameters
    ----------
    config : ModelConfig
        Of ``model_config.proto``.
    """
    if LANGUAGES_PARAMETER not in config.parameters:
        return None
    return tuple(
        code.strip() for code in config.parameters[LANGUAGES_PARAMETER].string_value.split(",") if code.strip()
    )


def read_clearance(config: Any) -> Clearance | None:
    """What a first stage's configuration lets it clear; None if it does not say, or not in numbers.

    Parameters
    ----------
    config : ModelConfig
        Of ``model_config.proto``.
    """
    if THRESHOLDS_PARAMETER not in config.parameters:
        return None
    try:
        thresholds = _read_numbers(config, THRESHOLDS_PARAMETER)
        languages = _read_numbers(config, LANGUAGES_PARAMETER) if LANGUAGES_PARAMETER in config.parameters else {}
    except ValueError:
        return None
    return Clearance(languages, thresholds)


def _read_numbers(config: Any, parameter: str) -> dict[str, float]:
    """A parameter that says ``name:number,…``; raises `ValueError` if it does not."""
    pairs = [pair.partition(":") for pair in config.parameters[parameter].string_value.split(",")]
    return {name.strip(): float(number) for name, _, number in pairs}


def check_config(spec: ModelSpec, config: Any) -> None:
    """Compare a model's configuration with the contract.

    Parameters
    ----------
    config : ModelConfig
        Of ``model_config.proto``.

    Raises
    ------
    ModelMismatch
        Says in one line what differs.
    """
    faults = [*_compare("input", spec.inputs, config.input), *_compare("output", spec.outputs, config.output)]
    if config.max_batch_size < spec.max_rows:
        faults.append(f"max_batch_size is {config.max_batch_size}, {spec.max_rows} is wanted")
    labels = config.parameters[LABELS_PARAMETER].string_value if LABELS_PARAMETER in config.parameters else ""
    if labels and labels != ",".join(LABELS):
        faults.append(f"its labels are {labels}; wanted are {','.join(LABELS)}")
    if faults:
        raise ModelMismatch(f"{spec.name} does not fit this worker: {'; '.join(faults)}", spec.name)


def _compare(kind: str, wanted: Sequence[TensorSpec], served: Iterable[Any]) -> list[str]:
    there = {tensor.name: tensor for tensor in served}
    missing = [f"{kind} {tensor.name} is missing" for tensor in wanted if tensor.name not in there]
    unknown = [f"{kind} {name} is unknown" for name in there if name not in {tensor.name for tensor in wanted}]
    differing = [
        f"{kind} {tensor.name} is {_served(there[tensor.name])}, {tensor.type} {_dims(tensor)} is wanted"
        for tensor in wanted
        if tensor.name in there and not _fits(tensor, there[tensor.name])
    ]
    return [*missing, *differing, *(unknown if kind == "input" else [])]


def _fits(tensor: TensorSpec, served: Any) -> bool:
    dims = _dims(tensor)
    fits = len(served.dims) == len(dims) and all(map(_is_as_wanted, served.dims, dims))
    return fits and _type_name(served.data_type) == tensor.type


def _is_as_wanted(served: int, wanted: int) -> bool:
    """Whether an axis is as long as wanted, or takes any length."""
    return served in (-1, wanted)


def _served(served: Any) -> str:
    return f"{_type_name(served.data_type)} {list(served.dims)}"


def _type_name(number: int) -> str:
    return str(model_config_pb2.DataType.Name(number)).removeprefix("TYPE_")


def _dims(tensor: TensorSpec) -> list[int]:
    return [-1 if isinstance(size, Axis) else size for size in tensor.shape]


def check_outputs(spec: ModelSpec, batch: Mapping[str, Array], outputs: Sequence[Array | None]) -> list[Array]:
    """Return the outputs of a request, which have the contract's types and shapes.

    Raises
    ------
    ModelMismatch
        One is missing, or is not what was agreed: a model was replaced by another.
    """
    lengths = {
        axis: size
        for tensor in spec.inputs
        for axis, size in zip(tensor.shape, batch[tensor.name].shape[1:], strict=True)
        if isinstance(axis, Axis)
    }
    n_rows = len(batch[spec.inputs[0].name])
    return [_check(spec, n_rows, lengths, *pair) for pair in zip(spec.outputs, outputs, strict=True)]


def _check(spec: ModelSpec, n_rows: int, lengths: Mapping[Axis, int], tensor: TensorSpec, array: Array | None) -> Array:
    wanted = (n_rows, *(lengths[size] if isinstance(size, Axis) else size for size in tensor.shape))
    if array is None:
        raise ModelMismatch(f"{spec.name} does not fit this worker: output {tensor.name} is missing", spec.name)
    if array.shape != wanted or array.dtype != dtype_of(tensor.type):
        raise ModelMismatch(
            f"{spec.name} does not fit this worker: output {tensor.name} is {array.dtype} {list(array.shape)}, "
            f"{tensor.type} {list(wanted)} is wanted",
            spec.name,
        )
    return array
