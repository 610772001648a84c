"""Parts that were scored before: the same picture under another text, the same clip in another post."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sluice.inference import Arrays
from sluice.inference.identity import ModelIdentities
from sluice.modalities.base import Part
from sluice.modalities.scored import ScoredPart
from sluice.repeats import Flight, Repeats, digest

PATIENCE = 0.5
"""Of a part's time that it waits for another one like it: what is left is enough to be scored by itself."""
LARGE_BYTES = 256 * 2**10
"""More is hashed on a thread."""
ROW_BYTES = 1024
"""Of a row beside its tensors: its box, its times, its share of a text's layout."""

Scored = tuple[ScoredPart, ...]


class PartRepeats:
    """Scored parts by the bytes of their text or file.

    Parameters
    ----------
    repeats : Repeats
    identities : ModelIdentities
    """

    def __init__(self, repeats: Repeats, identities: ModelIdentities) -> None:
        self._repeats = repeats
        self._identities = identities

    def flight(self) -> Flight[Scored]:
        """See `Repeats.flight`."""
        return self._repeats.flight("part")

    async def board(self, flight: Flight[Scored], part: Part, source: Any, deadline: float) -> list[ScoredPart] | None:
        """What came of the same source before, as if it came of this part; None if it has to be scored."""
        models = self._identities.find(part.modality.models)
        if models is None or not isinstance(source, str | bytes):
            return None
        raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
        names = (part.modality.kept_as.encode(), models)
        is_large = len(raw) > LARGE_BYTES
        key = await asyncio.to_thread(digest, *names, raw) if is_large else digest(*names, raw)
        patience_s = PATIENCE * (deadline - asyncio.get_running_loop().time())
        found = await flight.board(key, patience_s)
        return None if found is None else [_as_part_of(part, each) for each in found]

    def land(self, flight: Flight[Scored], found: Sequence[ScoredPart]) -> None:
        """Leave to others what was read as a whole; what was not may be read better the next time."""
        if all(not each.missing for each in found):
            kept = tuple(_without_inputs(each) for each in found)
            flight.land(kept, sum(map(_size_of, kept)))
        elif not any(each.failure for each in found):
            flight.decline()


def _as_part_of(part: Part, kept: ScoredPart) -> ScoredPart:
    """What is kept is of another post: there it had another place."""
    own = part if kept.part.modality is part.modality else replace(kept.part, name=part.name, index=part.index)
    return replace(kept, part=own)


def _without_inputs(scored: ScoredPart) -> ScoredPart:
    """What a verdict needs of a part. The outputs are copied: they are slices of what a whole batch answered."""
    rows = tuple(scored.part.modality.keep(row) for row in scored.rows)
    outputs = tuple({name: np.array(array) for name, array in each.items()} for each in scored.outputs)
    part = replace(scored.part, source=None)
    return replace(scored, part=part, rows=rows, outputs=outputs, stage_s={}, is_repeated=True)


def _size_of(scored: ScoredPart) -> int:
    tensors = sum(_n_bytes(each) for each in scored.outputs)
    inputs = sum(int(array.nbytes) for row in scored.rows for array in row.arrays)
    return tensors + inputs + ROW_BYTES * (1 + len(scored.rows))


def _n_bytes(arrays: Arrays) -> int:
    return sum(int(array.nbytes) for array in arrays.values())
