"""A fourth modality is one class: this file adds one, and a verdict speaks of it as of any other.

The toy reads the post's `surface` letter by letter; the schema of a post needs no new field for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.contract import MODALITIES, Axis, TensorSpec, encoder_spec
from sluice.errors import PartFailed
from sluice.features import Features
from sluice.inference import Arrays
from sluice.modalities.base import Modality, Part
from sluice.modalities.marks import find_runs
from sluice.schema import Post, TextEvidence, Verdict
from tests.engine.test_pipeline import Bench, finds

LENGTH = Axis("length", (1, 8, 64))


@dataclass(frozen=True, slots=True)
class SurfaceRow:
    """The letters of a name."""

    letters: npt.NDArray[np.int64]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.int64], ...]:
        return (self.letters,)


class SurfaceModality(Modality[str, SurfaceRow]):
    """Where a post appeared."""

    name = "surface"
    model = encoder_spec(
        "surface_encoder", (TensorSpec("letters", "INT64", (LENGTH,)),), TensorSpec("letter_scores", "FP32", (LENGTH,))
    )
    kind = len(MODALITIES)

    def parts(self, post: Post) -> Sequence[Part]:
        return [Part(self, self.name, post.surface)] if post.surface else []

    @asynccontextmanager
    async def fetch(self, part: Part) -> AsyncIterator[str]:
        yield part.source

    async def extract(self, source: str) -> Features[SurfaceRow]:
        if not source.isalpha():
            raise PartFailed("no_name", "not a name")
        return Features((SurfaceRow(np.array([ord(letter) for letter in source])),))

    def evidence(
        self, part: Part, rows: Sequence[SurfaceRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[TextEvidence, ...]:
        places = np.arange(len(rows[0].letters))
        runs = find_runs(places, places + 1, outputs[0][self.model.evidence.name], gap=0)
        return tuple(TextEvidence(int(start), int(end)) for start, end in runs)


async def score(bench: Bench, surface: str) -> Verdict:
    bench.modalities.append(SurfaceModality())
    return await bench.score(text="hello", surface=surface)


async def test_it_is_scored_fused_and_explained() -> None:
    bench = Bench()
    bench.classifier.script = finds("threat", 0.95, ("surface_encoder",))
    verdict = await score(bench, "forum")
    assert verdict.decision == "block"
    assert verdict.modalities == {"text": "ok", "surface": "ok"}
    assert verdict.models.keys() == {"fusion", "text_encoder", "surface_encoder"}
    (reason,) = verdict.reasons
    assert reason.contributions["surface"] > 0.9
    assert list(msgspec.to_builtins(reason.evidence)) == [{"modality": "text", "start": 0, "end": 5}]


async def test_its_failures_are_its_own() -> None:
    bench = Bench()
    verdict = await score(bench, "???")
    assert (verdict.decision, verdict.modalities) == ("review", {"text": "ok", "surface": "failed: not a name"})
    assert bench.count("sluice_failed_parts_total", modality="surface", reason="no_name") == 1
