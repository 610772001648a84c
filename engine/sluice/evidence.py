"""Where in a post something was seen, as verdicts say it."""

from __future__ import annotations

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class TextEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="text"):
    """A span of the text as published: characters (code points) `start` to `end`, half open."""

    start: int
    end: int


class ImageEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="image"):
    """A box in image `index`: left, top, right, bottom as shares of its width and height."""

    index: int
    box: tuple[Share, Share, Share, Share]


class AudioEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="audio"):
    """A time range in clip `index`, in seconds from its start."""

    index: int
    start_s: float
    end_s: float


Evidence = TextEvidence | ImageEvidence | AudioEvidence
