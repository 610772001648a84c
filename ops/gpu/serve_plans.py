"""Serve the models with Triton, compare what it answers with ONNX Runtime, and print latency and rows/s by batch.

By default the TensorRT plans beside the models (``python -m sluice_models.plan``), through Triton's Python backend.
With ``--model onnx`` the ONNX models: so that everything but the plans is tried where there is no GPU.

``python ops/gpu/serve_plans.py [--repository triton_repo] [--model plan|onnx] [--json]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient import grpc as triton

from sluice.contract import MODEL_NAMES, SPECS, ModelName
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice_models.plans.profiles import Arrays, sample_rows
from sluice_models.plans.run import BATCHES, compare, is_close, reference

START_S = 300.0
N_WARM_UP, N_TIMED = 10, 100
FILES = {"plan": "model.plan", "onnx": "model.onnx"}
PLAN_MODEL = f"""import sys

sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from plan_model import TritonPythonModel
"""
"""The stub is an isolated Python, so the model brings the path along."""


class ServedModel:
    """A model behind Triton, called like a plan."""

    def __init__(self, client: Any, name: ModelName) -> None:
        self._client = client
        self._name = name
        self.inputs = [tensor.name for tensor in SPECS[name].inputs]

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name."""
        tensors = []
        for tensor in SPECS[self._name].inputs:
            tensors.append(triton.InferInput(tensor.name, list(inputs[tensor.name].shape), tensor.type))
            tensors[-1].set_data_from_numpy(inputs[tensor.name])
        answer = self._client.infer(self._name, tensors)
        return {name: answer.as_numpy(name) for name in SPECS[self._name].output_names}

    def measure(self, batch: int) -> tuple[float, float]:
        """Median milliseconds of a request of that many rows, and rows a second of one after another."""
        inputs = sample_rows(self._name, self.inputs, batch)
        times_s = [self._time(inputs) for _ in range(N_WARM_UP + N_TIMED)][N_WARM_UP:]
        return float(np.median(times_s)) * 1e3, batch / float(np.mean(times_s))

    def _time(self, inputs: Arrays) -> float:
        start_s = time.perf_counter()
        self.run(inputs)
        return time.perf_counter() - start_s


def make_repository(source: Path, target: Path, model: str) -> None:
    """A repository of the same models, not quantised, whose ``model.py`` runs what `model` names."""
    for name in MODEL_NAMES:
        version = target / name / "1"
        version.mkdir(parents=True)
        (target / name / "configs").mkdir()
        for file in ("config.pbtxt", "configs/cpu.pbtxt"):
            lines = (source / name / file).read_text("utf-8").splitlines(keepends=True)
            (target / name / file).write_text("".join(line for line in lines if '"quantise"' not in line), "utf-8")
        shutil.copyfile(source / name / "1" / FILES[model], version / FILES[model])
        if model == "plan":
            (version / "model.py").write_text(PLAN_MODEL, "utf-8")
        else:
            shutil.copyfile(source / name / "1" / "model.py", version / "model.py")


def measure(address: str, source: Path) -> list[dict[str, Any]]:
    """Per model: the largest difference of each output to single precision, and the speed by batch."""
    client = triton.InferenceServerClient(address)
    rows = []
    for name in MODEL_NAMES:
        served = ServedModel(client, name)
        differences = compare(name, served, reference(source / name / "1" / "model.onnx"))
        speeds = {batch: served.measure(batch) for batch in BATCHES if batch <= SPECS[name].max_rows}
        rows.append({"model": name, "close": is_close(differences), "differences": differences, "speeds": speeds})
    return rows


def say(row: dict[str, Any]) -> None:
    """Print one model's figures."""
    differences = ", ".join(f"{output} {apart:.1e}" for output, apart in row["differences"].items())
    print(f"{row['model']}: off by {differences}{'' if row['close'] else ' (too far)'}")
    for batch, (p50_ms, rows_per_s) in row["speeds"].items():
        print(f"  batch {batch:3}: p50 {p50_ms:.2f} ms, {rows_per_s:.0f} rows/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit with 1 if what is served is not what the models compute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, default=triton_repository(), help="the Triton model repository")
    parser.add_argument("--model", choices=FILES, default="plan", help="what runs in Triton's Python backend")
    parser.add_argument("--json", action="store_true", help="one JSON object per model")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        make_repository(options.repository, Path(folder) / "repository", options.model)
        server = TritonServer(Path(folder) / "repository", Path(folder))
        with server:
            server.wait_until_ready(START_S)
            rows = measure(server.address, options.repository)
    for row in rows:
        print(json.dumps(row)) if options.json else say(row)
    return 0 if all(row["close"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
