"""What can be measured, for a command line that loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class RowName(StrEnum):
    """A row of the table, in its order."""

    limit_triton = "limit-triton"
    limit_onnx = "limit-onnx"
    sluice_bare = "sluice-bare"
    sluice = "sluice"
    sluice_2 = "sluice-2"
    sluice_embedded = "sluice-embedded"
    sluice_whole = "sluice-whole"
    faust = "faust"
    aiokafka = "aiokafka"
    aiokafka_32bit = "aiokafka-32bit"
    quix = "quix"
    fastapi = "fastapi"


DESCRIPTIONS = {
    RowName.limit_triton: "the encoders alone through Triton, rows sorted by length, best batch size",
    RowName.limit_onnx: "the same in ONNX Runtime, without Triton, one thread a core",
    RowName.sluice_bare: "one worker on Kafka that keeps no verdicts for repeats, and clears nothing at first sight",
    RowName.sluice: "one worker on Kafka",
    RowName.sluice_2: "two workers on Kafka",
    RowName.sluice_embedded: "one worker on the embedded broker",
    RowName.sluice_whole: "one worker on Kafka that also reads text in pictures, as it does by default",
    RowName.faust: "a plain Faust agent with ONNX Runtime",
    RowName.aiokafka: "an aiokafka loop with ONNX Runtime, up to 32 posts at a time",
    RowName.aiokafka_32bit: "the same in single precision",
    RowName.quix: "Quix Streams with ONNX Runtime",
    RowName.fastapi: "FastAPI with ONNX Runtime, a request per post",
}
"""What each row is, in a line."""
