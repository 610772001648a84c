"""Latency and throughput of the four networks in half precision on a GPU, in torch, by batch: needs the training extra.

Rows of the usual shape lie on the GPU already; each run replays a CUDA graph on one stream. Weights are random: time
does not depend on them. For the plans that Triton serves, see ``python -m sluice_models.plan --benchmark``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sluice_models.config import MODEL_NAMES, ModelName
from sluice_models.plans.profiles import PROFILES, sample_rows
from sluice_models.training import checkpoint

BATCHES = (1, 2, 4, 8, 16, 32)
N_WARM_UP, N_TIMED = 20, 200


def place_inputs(name: ModelName, batch: int) -> list[Tensor]:
    """Random rows on the GPU, in half precision where they are no integers."""
    rows = [torch.from_numpy(array).cuda() for array in sample_rows(name, PROFILES[name], batch).values()]
    return [row.half() if row.is_floating_point() else row for row in rows]


def capture(model: nn.Module, inputs: list[Tensor]) -> Callable[[], None]:
    """A CUDA graph of one run, after a few on a stream of their own, as capturing asks for."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            model(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(*inputs)
    return graph.replay


def measure_ms(run: Callable[[], None]) -> npt.NDArray[np.float64]:
    """Milliseconds of each of `N_TIMED` runs."""
    times_s = []
    for _ in range(N_WARM_UP + N_TIMED):
        torch.cuda.synchronize()
        start_s = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times_s.append(time.perf_counter() - start_s)
    return np.array(times_s[N_WARM_UP:]) * 1e3


def main() -> None:
    """Print a line per model and batch."""
    if not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU")
    print(torch.cuda.get_device_name())
    with torch.inference_mode():
        for name in MODEL_NAMES:
            model = checkpoint.build(name).eval().half().cuda()
            for batch in BATCHES:
                times_ms = measure_ms(capture(model, place_inputs(name, batch)))
                p50, p99 = np.percentile(times_ms, (50, 99))
                print(f"{name:14} batch {batch:2}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {1e3 * batch / p50:.0f} rows/s")


if __name__ == "__main__":
    main()
