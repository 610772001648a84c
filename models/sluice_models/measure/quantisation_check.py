"""What the eight-bit form of the text encoder, which Triton serves on a CPU, loses against single precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice.intervals import Floats
from sluice.schema import LABELS
from sluice.triton_backend.row_quantisation import quantise_file
from sluice_models.data.bundle import Example
from sluice_models.measure.precision import PrecisionRow, compare_forms
from sluice_models.measure.source_figures import sample_source
from sluice_models.recipes.text.reading import pad

N_TEXTS = 20_000
"""Besides those with rare harms: more than the reports go through, so that shares are those of the other figures."""
N_BATCH = 16
FORM = "eight bits"
CPU_INFO = Path("/proc/cpuinfo")


def check_quantisation(model: Path, examples: Sequence[Example], n_texts: int = N_TEXTS) -> list[PrecisionRow]:
    """Both forms of the exported text encoder on a sample with all rare harms; nothing where it is not exported."""
    if not model.is_file():
        return []
    sample = sample_source(examples, n_texts).rows
    rows = [features.rows[0] for features in TextExtractor().extract_batch([row.text or "" for row in sample])]
    with TemporaryDirectory() as scratch:
        quantised = Path(scratch) / "model.onnx"
        quantise_file(model, quantised, read_cpu_flags())
        single, eight_bit = (score_rows(file, rows) for file in (model, quantised))
    return compare_forms(FORM, "text", np.stack([row.targets for row in sample]), single, eight_bit)


def read_cpu_flags() -> frozenset[str]:
    """What the kernels are chosen by, as serving reads it; empty where it cannot be read."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.is_file() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return frozenset(flag for flag in flags if flag.startswith(("avx", "amx")))


def score_rows(model: Path, rows: Sequence[TextRow]) -> Floats:
    """Logits of an ONNX text encoder, shape = (n, labels)."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].input_ids))
    logits = np.zeros((len(rows), len(LABELS)), np.float32)
    for start in range(0, len(order), N_BATCH):
        chunk = order[start : start + N_BATCH]
        logits[chunk] = session.run(["logits"], _make_inputs([rows[index] for index in chunk]))[0]
    return logits


def _make_inputs(rows: Sequence[TextRow]) -> dict[str, Any]:
    input_ids, attention_mask = pad([row.input_ids for row in rows])
    return {"input_ids": input_ids, "attention_mask": attention_mask}
