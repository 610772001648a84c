"""What it costs a worker to hand tensors to Triton: `python ops/bench/tensors.py` prints a line for each request.

Kilobytes there and back, and microseconds of CPU to write the request and to read the response: what shared memory
could save at most. What gRPC and the kernel take on the way is in `ops/bench/stubbed.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from tritonclient.grpc import service_pb2

from sluice.contract import AUDIO_ENCODER, FUSION, IMAGE_ENCODER, TEXT_ENCODER, Axis, ModelSpec, TensorSpec
from sluice.inference import Array
from sluice.inference.requests import dtype_of, make_request, read_outputs

REQUESTS = {
    "16 texts": (TEXT_ENCODER, 16, 26),
    "1 picture": (IMAGE_ENCODER, 1, 0),
    "10 s of sound": (AUDIO_ENCODER, 4, 0),
    "fusion of 16 posts": (FUSION, 16, 8),
}
"""Model, rows, and their length where it varies: tokens of a text, or of a post."""
N_TIMES, N_ROUNDS = 300, 5


def make_arrays(tensors: Sequence[TensorSpec], n_rows: int, length: int) -> dict[str, Array]:
    """Tensors of zeros, shape = (n_rows, …)."""
    return {
        tensor.name: np.zeros(
            (n_rows, *(length if isinstance(size, Axis) else size for size in tensor.shape)), dtype_of(tensor.type)
        )
        for tensor in tensors
    }


def write_response(spec: ModelSpec, outputs: dict[str, Array]) -> bytes:
    """As Triton sends it."""
    response = service_pb2.ModelInferResponse(model_name=spec.name)
    for tensor in spec.outputs:
        array = outputs[tensor.name]
        response.outputs.add(name=tensor.name, datatype=tensor.type, shape=array.shape)
        response.raw_output_contents.append(array.tobytes())
    written: bytes = response.SerializeToString()
    return written


def time_us(work: Callable[[], object]) -> float:
    """Median microseconds of CPU."""
    rounds = []
    for _ in range(N_ROUNDS):
        start = time.process_time()
        for _ in range(N_TIMES):
            work()
        rounds.append((time.process_time() - start) / N_TIMES * 1e6)
    return float(np.median(rounds))


def main() -> None:
    """Print a line for each request."""
    for what, (spec, n_rows, length) in REQUESTS.items():
        inputs = make_arrays(spec.inputs, n_rows, length)
        answer = write_response(spec, make_arrays(spec.outputs, n_rows, length))

        def send(spec: ModelSpec = spec, inputs: dict[str, Array] = inputs) -> bytes:
            written: bytes = make_request(spec, inputs).SerializeToString()
            return written

        def read(spec: ModelSpec = spec, answer: bytes = answer) -> list[Array | None]:
            return read_outputs(spec, service_pb2.ModelInferResponse.FromString(answer))

        sizes = f"{len(send()) / 1000:6.1f} kB there, {len(answer) / 1000:6.1f} kB back"
        print(f"{what:<20} {sizes}; written in {time_us(send):6.1f} us, read in {time_us(read):6.1f} us")


if __name__ == "__main__":
    main()
