"""An ONNX file as Triton's instances on a CPU run it: on one thread, in eight bits where that was asked for."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import onnxruntime

from sluice.cache import cache_dir, make_once

SLOWER_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]
"""On MiniLM (ONNX Runtime 1.32) the fused kernels take 29 of 147 ms a batch, the plain operations 9 ms."""
QUANTISATION_VERSION = "rows8-2"
"""Part of the cache's key: change it when the quantisation changes."""


def open_session(model: Path) -> Any:
    """Open a model on one thread: Triton's instances are what runs in parallel."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER_FUSIONS
    )


def quantise_once(model: Path, cpu_flags: frozenset[str]) -> Path:
    """Return the quantised form of `model` out of the cache, made at the first call."""
    parts = (onnxruntime.__version__, QUANTISATION_VERSION, platform.machine(), *sorted(cpu_flags))
    key = hashlib.sha256(model.read_bytes() + " ".join(parts).encode()).hexdigest()

    def make(target: Path) -> None:
        from sluice.triton_backend.row_quantisation import quantise_file  # needs onnx, and only here

        quantise_file(model, target, cpu_flags)

    return make_once(cache_dir() / "models" / f"{key}.onnx", make)


def read_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The processor's instruction sets that integer kernels are chosen by; empty where they cannot be read."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return frozenset(flag for flag in flags if flag.startswith(("avx", "amx")))
