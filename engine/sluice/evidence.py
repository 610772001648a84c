"""Where in a post something was seen, and what of it is known from lists and banks of hashes, as verdicts say it."""

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


MAX_MATCHES = 100
"""Of lists, and of hashes, that a verdict names: of each list at least one, then the others in their order."""


class ListMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of a list that a post holds.

    Attributes
    ----------
    list : str
        The list's name.
    kind, value, action, owner, note
        The entry, as the list has it.
    start, end : int or None
        The first place, as characters of the text as published, half open; None for an author.
    """

    list: str
    kind: str
    value: str
    action: str = "block"
    start: int | None = None
    end: int | None = None
    owner: str | None = None
    note: str | None = None


class HashMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of a bank of hashes that a picture or a clip matches.

    Attributes
    ----------
    bank : str
        The bank's name.
    part : str
        ``image:0``, ``audio:1``.
    kind : str
        ``pdq``, ``sha256`` or ``md5``.
    value : str
        The bank's hash, in hexadecimal.
    distance : int
        Bits in which the part's own differs: 0 to 31 for ``pdq``, 0 for others.
    id, owner, note
        The entry, as the bank has it.
    """

    bank: str
    part: str
    kind: str
    value: str
    distance: int = 0
    id: str | None = None
    owner: str | None = None
    note: str | None = None
