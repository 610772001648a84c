"""How near ``sluice score`` comes to the text encoder alone, on the same Triton in the same run.

Usage: python ops/bench/score_rate.py [--posts 2000] [--rounds 3] [--triton HOST:PORT]

The encoder alone: 32 rows a request, 4 requests in flight, texts tokenised beforehand, in the order given. Both are
measured in turn, the medians are compared. Prints one line of JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from sluice.cli.stacks import open_triton
from sluice.contract import TEXT_ENCODER, TensorSpec
from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice.modalities.base import inputs_of
from sluice.schema import Post, encode

N_ROWS = 32
N_IN_FLIGHT = 4
TEMPLATES = (
    "Good morning {}, did you sleep well?",
    "Lunch at {} o'clock in the park? Bring the blue blanket.",
    "The weather on day {} was lovely, we walked along the river and had ice cream.",
    "Thanks for photo number {}!",
    "Has anybody read chapter {}? I liked the part about the lighthouse and the old keeper's dog.",
    "早上好，{} 号，周日一起吃饭吗？",
    "Train {} is late again, start without me.",
)


def main() -> None:
    """Measure and print."""
    options = read_options()
    texts = make_texts(options.posts)
    with tempfile.TemporaryDirectory() as folder, open_triton(options.triton) as triton:
        posts = write_posts(Path(folder) / "posts.jsonl", texts)
        batches = make_batches(texts)
        rates: dict[str, list[float]] = {"encoder": [], "score": []}
        asyncio.run(time_encoder(triton, batches))  # the first run warms the server up
        for _ in range(options.rounds):
            rates["encoder"].append(len(texts) / asyncio.run(time_encoder(triton, batches)))
            rates["score"].append(time_score(triton, posts))
    print_rates(rates, len(texts))


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--triton", metavar="HOST:PORT")
    return parser.parse_args()


def make_texts(n_texts: int) -> list[str]:
    """Short mild texts, the same in every run."""
    rng = random.Random(11)
    return [rng.choice(TEMPLATES).format(number) for number in range(n_texts)]


def write_posts(path: Path, texts: list[str]) -> Path:
    """One post a line."""
    posts = [encode(Post(id=f"bench-{number}", text=text)) for number, text in enumerate(texts)]
    path.write_bytes(b"\n".join(posts) + b"\n")
    return path


def make_batches(texts: list[str]) -> list[list[InferInput]]:
    """Requests of `N_ROWS` tokenised texts, each padded to its longest."""
    rows = [row for features in TextExtractor().extract_batch(texts) for row in features.rows]
    return [make_request(rows[start : start + N_ROWS]) for start in range(0, len(rows), N_ROWS)]


def make_request(rows: list[TextRow]) -> list[InferInput]:
    """The inputs of one request."""
    inputs = [inputs_of(TEXT_ENCODER, row) for row in rows]
    return [make_input(tensor, pad([each[tensor.name] for each in inputs])) for tensor in TEXT_ENCODER.inputs]


def pad(arrays: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Rows of different lengths as one array, zeros behind the shorter ones."""
    padded = np.zeros((len(arrays), max(map(len, arrays))), np.int64)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def make_input(spec: TensorSpec, array: npt.NDArray[np.int64]) -> InferInput:
    """One tensor of a request."""
    tensor = InferInput(spec.name, array.shape, spec.type)
    tensor.set_data_from_numpy(array)
    return tensor


async def time_encoder(triton: str, batches: list[list[InferInput]]) -> float:
    """Seconds for all batches, `N_IN_FLIGHT` at a time."""
    client = InferenceServerClient(triton)
    left = iter(batches)

    async def send() -> None:
        for inputs in left:
            result = await client.infer("text_encoder", inputs)
            result.as_numpy("logits")

    start_s = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(N_IN_FLIGHT)))
    elapsed_s = time.perf_counter() - start_s
    await client.close()
    return elapsed_s


def time_score(triton: str, posts: Path) -> float:
    """Posts a second, as ``sluice score`` itself says; its start-up is not counted."""
    command = [sys.executable, "-m", "sluice.cli", "score", str(posts), "--json", "--triton", triton]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = re.search(r"([\d.]+) posts/s", done.stderr)
    if rate is None:
        raise SystemExit(f"no rate in: {done.stderr}")
    return float(rate[1])


def print_rates(rates: dict[str, list[float]], n_texts: int) -> None:
    """Both medians and their ratio."""
    encoder, score = statistics.median(rates["encoder"]), statistics.median(rates["score"])
    for name, values in rates.items():
        sys.stderr.write(f"{name:8} " + " ".join(f"{value:.0f}" for value in values) + " posts/s\n")
    result = {"n_texts": n_texts, "encoder_per_s": round(encoder), "score_per_s": round(score)}
    sys.stdout.write(json.dumps({**result, "ratio": round(score / encoder, 3)}) + "\n")


if __name__ == "__main__":
    main()
