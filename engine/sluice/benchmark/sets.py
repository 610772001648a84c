"""The sets that ``sluice benchmark`` knows, and what others have published on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.benchmark import formats
from sluice.benchmark.figures import (
    Measures,
    measure_categories,
    measure_chat,
    measure_classes,
    measure_functions,
    measure_languages,
    measure_offence,
    measure_refusals,
)
from sluice.benchmark.names import SetName
from sluice.benchmark.rows import Row
from sluice.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that others report for the whole set, and where."""

    measure: str
    subject: str
    system: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class TestSet:
    """How a set is read and measured."""

    read: Callable[[Path], Iterator[Row]]
    measure: Measures
    published: tuple[Published, ...] = ()


_LLAMA_GUARD = "Inan et al. 2023, arXiv:2312.06674"
_TOXICCHAT = "model card of lmsys/toxicchat-t5-large-v1.0, ToxicChat 0124 test"
_CHAT_SYSTEMS = {
    "ToxicChat-T5-Large": (0.7983, 0.8475, 0.8221, 0.8850),
    "OpenAI Moderation, January 2024, threshold 0.02": (0.5476, 0.6989, 0.6141, 0.6313),
}

SETS = {
    SetName.hatecheck: TestSet(
        formats.read_hatecheck,
        measure_functions,
        (Published("accuracy", "all", "Perspective, 2020", 0.766, "Röttger et al. 2021, ACL, arXiv:2012.15606"),),
    ),
    SetName.multilingual_hatecheck: TestSet(formats.read_multilingual_hatecheck, measure_languages),
    SetName.openai: TestSet(
        formats.read_openai,
        measure_categories,
        tuple(
            Published("AUPRC", formats.ANY, system, value, _LLAMA_GUARD)
            for system, value in (("OpenAI Moderation", 0.856), ("Llama Guard", 0.847), ("Perspective", 0.787))
        ),
    ),
    SetName.toxicchat: TestSet(
        formats.read_toxicchat,
        measure_chat,
        tuple(
            Published(measure, formats.ANY, system, value, _TOXICCHAT)
            for system, values in _CHAT_SYSTEMS.items()
            for measure, value in zip(("precision", "recall", "F1", "AUPRC"), values, strict=True)
        ),
    ),
    SetName.xstest: TestSet(formats.read_xstest, measure_refusals),
    SetName.cold: TestSet(
        formats.read_cold,
        measure_offence,
        (Published("accuracy", "all", "COLDetector", 0.81, "Deng et al. 2022, EMNLP, arXiv:2201.06025"),),
    ),
    SetName.chineseharm: TestSet(formats.read_chineseharm, measure_classes),
}


def read_set(name: SetName, files: Sequence[Path]) -> list[Row]:
    """All texts of the files, in order.

    Raises
    ------
    BenchmarkError
        Naming file, line and column of a mistake; also if there is no text at all, or an empty one.
    """
    rows = [row for file in files for row in SETS[name].read(file)]
    if not rows:
        raise BenchmarkError(f"{', '.join(map(str, files))}: no texts")
    return rows
