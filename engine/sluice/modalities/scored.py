"""What comes of a part: its encoder's outputs, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.errors import PartFailed
from sluice.features import Languages, Print
from sluice.features.language_names import describe_unread
from sluice.inference import Array, Arrays
from sluice.modalities.base import Part
from sluice.schema import Evidence


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What the first stage said of a text.

    Attributes
    ----------
    logits : ndarray of float32, shape = (labels,)
        What it expects the fusion to say.
    is_clear : bool
        Whether no other model need read the text.
    """

    logits: Array
    is_clear: bool


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part with its encoder's outputs, or the reason why there are none.

    Attributes
    ----------
    rows, outputs
        One entry per row, the rows of the part's own kind; empty where `failure` is set, or nothing was there to read.
    languages : Languages or None
        Those of a text that was read.
    stage_s : dict of str to float
        Seconds spent in ``fetch``, ``extract`` and ``encode``.
    is_repeated : bool
        Whether the same was scored before, and not again.
    digests : mapping of str to bytes
        Hashes of the file's bytes, by kind, where they were asked for; also of one that could not be read.
    prints : tuple of Print
        Hashes of what a picture shows.
    first_look : FirstLook or None
        What the first stage said, where it was asked. A part that it cleared has no outputs of its encoder.
    """

    part: Part
    rows: Sequence[Any] = ()
    outputs: Sequence[Arrays] = ()
    partial: str | None = None
    failure: PartFailed | None = None
    languages: Languages | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    is_repeated: bool = False
    digests: Mapping[str, bytes] = field(default_factory=dict)
    prints: tuple[Print, ...] = ()
    first_look: FirstLook | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the first stage was all that read it."""
        return self.first_look is not None and self.first_look.is_clear

    @property
    def missing(self) -> list[str]:
        """What of it was not read, for people."""
        missing = [self.failure.detail] if self.failure else []
        missing += [self.partial] if self.partial else []
        if self.languages and self.languages.unread:
            missing.append(describe_unread(self.languages.unread))
        return missing

    @property
    def complete(self) -> bool:
        """Whether all of the part was scored."""
        return not (self.failure or self.partial)

    @property
    def understood(self) -> bool:
        """Whether the encoder was measured on the languages of all large parts of it."""
        return not (self.languages and self.languages.unread)

    def evidence(self, label: str) -> tuple[Evidence, ...]:
        """Where in the part its encoder saw a label."""
        return self.part.modality.evidence(self.part, self.rows, self.outputs, label)


def statuses_of(parts: Sequence[ScoredPart]) -> dict[str, str]:
    """What the verdict's `modalities` say: one entry per name, with what was found in a part under the part's own."""
    named: dict[str, list[ScoredPart]] = {}
    for scored in parts:
        named.setdefault(scored.part.name, []).append(scored)
    return {name: _status_of(*together) for name, together in named.items()}


def _status_of(scored: ScoredPart, *found: ScoredPart) -> str:
    if scored.failure:
        return f"failed: {scored.failure.detail}"
    missing = [*scored.missing, *(f"its text: {note}" for inner in found for note in inner.missing)]
    return f"partial: {'; '.join(missing)}" if missing else "ok"


def find_repeated(parts: Sequence[ScoredPart]) -> tuple[str, ...]:
    """Names of the parts of which nothing was scored anew."""
    named: dict[str, bool] = {}
    for scored in parts:
        named[scored.part.name] = named.get(scored.part.name, True) and scored.is_repeated
    return tuple(name for name, is_repeated in named.items() if is_repeated)


def find_clear(parts: Sequence[ScoredPart]) -> FirstLook | None:
    """What the first stage said of a post that it cleared; None of any other."""
    return next((scored.first_look for scored in parts if scored.is_clear), None)


def longest_of(parts: Sequence[ScoredPart], stage: str) -> float:
    """Seconds that a stage took; parts go through it side by side, and the slowest one counts."""
    return max((scored.stage_s.get(stage, 0.0) for scored in parts), default=0.0)
