"""What a request costs, by model: measured in Triton by rows and length, and as the two numbers that batches go by.

Starts Triton, or takes a running one. Prints the milliseconds of a request, alone, by rows (down) and length (across),
and `request_us` and `cell_us`: the line that fits them best. They stand in ``models/sluice_models/configs.py``.

``python ops/bench/costs.py [--triton HOST:PORT]``
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import triton_to_np_dtype

from sluice.cli.stacks import open_triton
from sluice.contract import FIRST_STAGE, MODELS, Axis, ModelSpec, Size

N_ROWS = (1, 2, 4, 8)
MAX_CELLS = 512
SECONDS_PER_CASE = 0.4


def lengths_of(model: ModelSpec) -> Sequence[int]:
    """Lengths between the smallest and the largest, or 1 where rows do not differ."""
    axes = [size for tensor in model.inputs for size in tensor.shape if isinstance(size, Axis)]
    if not axes:
        return [1]
    low, high = axes[0].sizes[Size.SMALLEST], min(axes[0].sizes[Size.LARGEST], 128)
    return sorted({max(low, high // 2**n) for n in range(5)})


def make_inputs(model: ModelSpec, n_rows: int, length: int) -> list[InferInput]:
    """Random rows without padding."""
    inputs = []
    for tensor in model.inputs:
        shape = (n_rows, *(length if isinstance(size, Axis) else size for size in tensor.shape))
        array = np.random.default_rng(0).integers(1, 200, shape).astype(triton_to_np_dtype(tensor.type))
        if tensor.name in ("attention_mask", "mask", "kind"):
            array = np.ones_like(array)
        sent = InferInput(tensor.name, shape, tensor.type)
        sent.set_data_from_numpy(array)
        inputs.append(sent)
    return inputs


async def time_ms(client: InferenceServerClient, model: ModelSpec, n_rows: int, length: int) -> float:
    """Median of requests one after the other."""
    inputs = make_inputs(model, n_rows, length)
    await client.infer(model.name, inputs)
    times_s: list[float] = []
    while sum(times_s) < SECONDS_PER_CASE or len(times_s) < 3:
        start_s = time.perf_counter()
        await client.infer(model.name, inputs)
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * float(np.median(times_s))


def fit(cells: npt.NDArray[np.float64], ms: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Microseconds by themselves and per cell; each case counts by its own size, so that the small ones do too."""
    lines = np.stack([np.ones_like(cells), cells], axis=1) / ms[:, None]
    request_ms, cell_ms = np.linalg.lstsq(lines, np.ones_like(ms), rcond=None)[0]
    return 1e3 * request_ms, 1e3 * cell_ms


async def _find_served(client: InferenceServerClient) -> list[ModelSpec]:
    """All models; the first stage where the repository has it."""
    has_first_stage = await client.is_model_ready(FIRST_STAGE.name)
    return [*MODELS, *([FIRST_STAGE] if has_first_stage else [])]


async def measure(triton: str) -> None:
    """Print a table and two numbers for each model."""
    client = InferenceServerClient(triton)
    for model in await _find_served(client):
        lengths = lengths_of(model)
        print(f"{model.name}\n{'rows':>6}" + "".join(f"{length:>8}" for length in lengths))
        cells, found = [], []
        for n_rows in N_ROWS:
            cases = [length for length in lengths if n_rows * length <= MAX_CELLS]
            times = [await time_ms(client, model, n_rows, length) for length in cases]
            cells += [n_rows * length for length in cases]
            found += times
            print(f"{n_rows:>6}" + "".join(f"{each:>8.2f}" for each in times), flush=True)
        request_us, cell_us = fit(np.array(cells, np.float64), np.array(found))
        print(f"request_us {request_us:.0f}, cell_us {cell_us:.0f}\n", flush=True)
    await client.close()


def main() -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", metavar="HOST:PORT")
    with open_triton(parser.parse_args().triton) as triton:
        asyncio.run(measure(triton))


if __name__ == "__main__":
    main()
