"""Where training runs: on the first GPU where there is one, else on the CPU."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

BatchT = TypeVar("BatchT")
_WITHOUT_BFLOAT16 = ("DEFAULT", "AVX2")


def best_device() -> torch.device:
    """The first GPU that CUDA finds, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def knows_bfloat16(device_type: str) -> bool:
    """Whether products in bfloat16 are made for this kind of device, "cpu" or "cuda".

    Processors without AVX-512 emulate them, which takes many times as long as single precision.
    """
    return device_type != "cpu" or torch.backends.cpu.get_cpu_capability() not in _WITHOUT_BFLOAT16


def move(batch: BatchT, device: torch.device) -> BatchT:
    """The same batch with its tensors on `device`: a tensor, or a tuple or dataclass of them and of other things."""
    moved: BatchT = _move(batch, device)
    return moved


def _move(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if is_dataclass(batch) and not isinstance(batch, type):
        moved = {field.name: _move(getattr(batch, field.name), device) for field in fields(batch)}
        return replace(batch, **moved)
    if isinstance(batch, tuple):
        parts = [_move(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch
