"""CPU time of a validation text, on one thread, by what is done for it: word pieces, the whole, its sentences too.

The encoder is the eight-bit form that Triton serves on a CPU, for this machine's processor; rows of like length go
together. CPU time hardly depends on what else runs, but on the processor.

``python ops/bench/text_cost.py BUNDLE [--texts 400]``
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime

from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice.triton_backend.row_quantisation import quantise_file
from sluice_models.config import TRITON_REPO
from sluice_models.data.bundle import read_texts
from sluice_models.measure.quantisation_check import read_cpu_flags
from sluice_models.recipes.text.reading import pad

N_BATCH = 16
MODEL = TRITON_REPO / "text_encoder" / "1" / "model.onnx"


def open_eight_bits(folder: Path) -> Any:
    """The encoder as a CPU serves it, on one thread."""
    file = folder / "model.onnx"
    quantise_file(MODEL, file, read_cpu_flags())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def encode(session: Any, rows: Sequence[TextRow]) -> None:
    """Rows in batches of like length."""
    ordered = sorted(rows, key=lambda row: len(row.input_ids))
    for start in range(0, len(ordered), N_BATCH):
        input_ids, attention_mask = pad([row.input_ids for row in ordered[start : start + N_BATCH]])
        session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})


def measure_ms(work: Callable[[], object], n_texts: int) -> float:
    """CPU time of this process per text."""
    start_s = time.process_time()
    work()
    return 1e3 * (time.process_time() - start_s) / n_texts


def sample_texts(bundle: Path, n_texts: int) -> list[str]:
    """Validation texts of all sources, as often as they are there."""
    texts = [example.text or "" for example in read_texts(bundle, "val")]
    return random.Random(0).sample(texts, min(n_texts, len(texts)))


def main() -> None:
    """Print a line per step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--texts", type=int, default=400)
    asked = parser.parse_args()
    texts = sample_texts(asked.bundle, asked.texts)
    extractor = TextExtractor()
    features = extractor.extract_batch(texts)
    wholes = [each.rows[0] for each in features]
    rows = [row for each in features for row in each.rows]
    n_pieces = sum(len(row.input_ids) for row in wholes) / len(texts)
    print(f"{len(texts)} texts of {n_pieces:.0f} pieces, {len(rows)} rows")
    with TemporaryDirectory() as scratch:
        session = open_eight_bits(Path(scratch))
        encode(session, wholes[:N_BATCH])
        print(f"word pieces      {measure_ms(lambda: extractor.extract_batch(texts), len(texts)):6.2f} ms")
        print(f"the whole        {measure_ms(lambda: encode(session, wholes), len(texts)):6.2f} ms")
        print(f"and sentences    {measure_ms(lambda: encode(session, rows), len(texts)):6.2f} ms")


if __name__ == "__main__":
    main()
