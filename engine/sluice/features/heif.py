"""HEIC, which iPhones send, by libheif: LGPL, and therefore an extra."""

from __future__ import annotations

from functools import lru_cache

from sluice.errors import MediaInvalid


@lru_cache(maxsize=1)
def register() -> None:
    """Teach Pillow to read HEIC.

    Raises
    ------
    MediaInvalid
        ``unsupported``: the extra is not installed.
    """
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        raise MediaInvalid("unsupported", "HEIC is not read: this worker lacks the extra [media]") from error
    register_heif_opener(thumbnails=False)
