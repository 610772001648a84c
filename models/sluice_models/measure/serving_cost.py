"""Size and CPU time of the exported models, one thread, in ONNX Runtime on this machine's CPU."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sluice_models.config import TRAINED_SPECS, TRITON_REPO
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table

BATCHES = (1, 8)
LENGTHS = {"length": 32, "n_tokens": 8}
"""Of the axes that vary: a text of about 25 words, a post of two parts."""
N_RUNS = 15
_TYPES = {"tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(float)": np.float32}


@dataclass(frozen=True)
class CostRow:
    """Of one model: bytes of its file, and CPU time of a batch: median and 95th percentile of `N_RUNS` runs."""

    model: str
    n_bytes: int
    n_batch: int
    median_ms: float
    p95_ms: float


def measure_costs(triton_repo: Path) -> list[CostRow]:
    """Every model that has been exported there."""
    reports = []
    for name in TRAINED_SPECS:
        file = triton_repo / name / "1" / "model.onnx"
        if file.is_file():
            session = _open(file)
            reports += [_measure(name, file, session, n_batch) for n_batch in BATCHES]
    return reports


def _open(file: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _measure(name: str, file: Path, session: Any, n_batch: int) -> CostRow:
    inputs = {each.name: _make_input(each, n_batch) for each in session.get_inputs()}
    session.run(None, inputs)
    times_ms = []
    for _ in range(N_RUNS):
        start_s = time.process_time()
        session.run(None, inputs)
        times_ms.append((time.process_time() - start_s) * 1000)
    median_ms, p95_ms = np.percentile(times_ms, (50, 95))
    return CostRow(name, file.stat().st_size, n_batch, float(median_ms), float(p95_ms))


def _make_input(tensor: Any, n_batch: int) -> Any:
    axes = {**LENGTHS, "batch": n_batch}
    shape = [axes[axis] if isinstance(axis, str) else axis for axis in tensor.shape]
    return np.ones(shape, _TYPES[tensor.type])


class ServingCost(Report[CostRow]):
    """Size and CPU time of every exported model."""

    name, title = "costs", "CPU time of the exported models"

    def measure(self, context: EvaluationContext) -> Iterable[CostRow]:
        """One row per model and batch."""
        return measure_costs(TRITON_REPO)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[CostRow]]:
        """One."""
        columns: Columns[CostRow] = {
            "model": lambda row: row.model,
            "MB": lambda row: f"{row.n_bytes / 1e6:.1f}",
            "batch": lambda row: row.n_batch,
            "CPU ms, median": lambda row: f"{row.median_ms:.1f}",
            "CPU ms, 95th percentile": lambda row: f"{row.p95_ms:.1f}",
        }
        yield Table("cost", columns, evaluation.of(ServingCost))
