"""Images: fetched by reference, cut into views, their evidence boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import scipy.ndimage

from sluice.contract import IMAGE_ENCODER, LABELS, MAX_IMAGES, MODALITIES, ModelSpec
from sluice.features import Features, ImageRow
from sluice.features.image import extract_image
from sluice.inference import Arrays
from sluice.modalities.base import AnyModality, Part
from sluice.modalities.extraction import Runner
from sluice.modalities.marks import FLOOR, Floats, mark
from sluice.modalities.media import MediaModality, MediaSource
from sluice.schema import ImageEvidence, Media, Post


class ImageModality(MediaModality[ImageRow]):
    """The post's images.

    Parameters
    ----------
    text : Modality or None
        What scores the text in them; None where it is not read.
    hashed : Modality or None
        See `Modality.hashing`; None where their looks are never asked for. See `MediaModality` for the others.
    """

    name = "image"
    model = IMAGE_ENCODER
    kind = MODALITIES.index("image")
    n_read = MAX_IMAGES
    plural = "images"

    def __init__(
        self,
        media: MediaSource,
        run: Runner,
        decode: Callable[[bytes], Features[ImageRow]] = extract_image,
        text: AnyModality | None = None,
        hashed: AnyModality | None = None,
    ) -> None:
        super().__init__(media, run, decode)
        self._text = text
        self._hashed = hashed

    def media_of(self, post: Post) -> Sequence[Media]:
        """See `MediaModality.media_of`."""
        return post.images

    def found_in(self, part: Part, features: Features[ImageRow]) -> Part | None:
        """The text in the image, if it has pages."""
        if self._text is None or not features.pages:
            return None
        return Part(self._text, part.name, features.pages, part.index)

    @property
    def hashing(self) -> AnyModality:
        """See `Modality.hashing`."""
        return self._hashed or self

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """See `Modality.models`."""
        return (self.model, *(self._text.models if self._text else ()))

    def keep(self, row: ImageRow) -> ImageRow:
        """See `Modality.keep`: the box."""
        return replace(row, pixels=row.pixels[:, :0].copy())

    def evidence(
        self, part: Part, rows: Sequence[ImageRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[ImageEvidence, ...]:
        """A box in the view that shows the label most clearly."""
        heatmaps = [row[self.model.evidence.name][LABELS.index(label)] for row in outputs]
        return find_box(part.index, rows, heatmaps)


class HashedImageModality(ImageModality):
    """The post's images, with what their looks are known by: `decode` has to find that."""

    @property
    def kept_as(self) -> str:
        """See `Modality.kept_as`: what is kept of an image without its hash would match no bank."""
        return "image with its hash"


def find_box(index: int, rows: Sequence[ImageRow], heatmaps: Sequence[Floats]) -> tuple[ImageEvidence, ...]:
    """One box in the view that shows the label most clearly: around the marked cells that touch its peak.

    Parameters
    ----------
    heatmaps : sequence of ndarray, shape = (h, w)
        One label's map per row, in [0, 1].
    """
    best = max(range(len(rows)), key=lambda i: float(heatmaps[i].max()))
    heatmap = heatmaps[best]
    if heatmap.max() < FLOOR:
        return ()
    rows_around, columns_around = _cells_around_peak(heatmap)
    view = rows[best].box
    x_of = np.linspace(view[0], view[2], heatmap.shape[1] + 1)
    y_of = np.linspace(view[1], view[3], heatmap.shape[0] + 1)
    sides = (x_of[columns_around.start], y_of[rows_around.start], x_of[columns_around.stop], y_of[rows_around.stop])
    left, top, right, bottom = (round(min(max(float(side), 0.0), 1.0), 4) for side in sides)
    return (ImageEvidence(index, (left, top, right, bottom)),)


def _cells_around_peak(heatmap: Floats) -> tuple[slice, slice]:
    """Rows and columns of the marked cells connected, side by side, to the highest one."""
    regions, _ = scipy.ndimage.label(mark(heatmap))
    peak = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    rows, columns = scipy.ndimage.find_objects(regions)[regions[peak] - 1]
    return rows, columns
