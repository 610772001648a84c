"""Text in pictures: found in an image, read as the post's own text is, its evidence boxes in the image."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sluice.contract import OCR_MODELS, TEXT_ENCODER
from sluice.errors import PartLate
from sluice.features import Features, Page, TextRow
from sluice.inference import Arrays
from sluice.modalities.base import Modality, Part
from sluice.modalities.lettering import Layout, lay_out
from sluice.modalities.reading import PageReader
from sluice.modalities.text import TextModality
from sluice.schema import ImageEvidence, Post

Pages = Sequence[Page]


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """One window of the text in a picture.

    Attributes
    ----------
    row : TextRow
    layout : Layout
        The whole text, and where it stands.
    """

    row: TextRow
    layout: Layout

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """See `Row.arrays`."""
        return self.row.arrays


class PictureTextModality(Modality[Pages, PlacedRow]):
    """The text in the post's images.

    Parameters
    ----------
    reader : PageReader
    text : TextModality
        What becomes of a text, wherever it stands.
    """

    name = "picture_text"
    model = TEXT_ENCODER
    kind = TextModality.kind
    read_by = OCR_MODELS
    extract_stage = "read"

    def __init__(self, reader: PageReader, text: TextModality) -> None:
        self._reader = reader
        self._text = text
        self._n_waiting_bytes = 0

    def parts(self, post: Post) -> Sequence[Part]:
        """None by themselves: images have them."""
        return []

    @asynccontextmanager
    async def fetch(self, part: Part) -> AsyncIterator[Pages]:
        """The pages, unless so many wait that these would be late; raises `PartLate`."""
        n_bytes = sum(page.pixels.nbytes for page in part.source)
        if self._n_waiting_bytes + n_bytes > self._reader.max_waiting_bytes:
            raise PartLate
        self._n_waiting_bytes += n_bytes
        try:
            yield part.source
        finally:
            self._n_waiting_bytes -= n_bytes

    async def extract(self, source: Pages) -> Features[PlacedRow]:
        """Rows of the text; none where there is no text."""
        reading = await self._reader.read(source)
        layout, rest = lay_out(reading.pages), reading.describe_rest()
        if not layout.text:
            return Features((), rest)
        features = await self._text.extract(layout.text)
        partial = "; ".join(filter(None, (rest, features.partial))) or None
        rows = tuple(PlacedRow(row, layout) for row in features.rows)
        wider = {position: PlacedRow(row, layout) for position, row in features.wider.items()}
        return Features(rows, partial, features.languages, wider)

    def evidence(
        self, part: Part, rows: Sequence[PlacedRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[ImageEvidence, ...]:
        """Boxes around what stands out in the text, one per line."""
        layout = rows[0].layout
        text = Part(self._text, part.name, layout.text, part.index)
        spans = self._text.evidence(text, [row.row for row in rows], outputs, label)
        boxes = (box for span in spans for box in layout.boxes(span.start, span.end))
        return tuple(ImageEvidence(part.index, box) for box in boxes)
