"""JSON of others, with one error for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_OBJECTS = msgspec.json.Decoder(dict[str, Any])


def read_json(decode: Callable[[bytes], T], raw: bytes) -> T:
    """What a decoder of msgspec makes of bytes from elsewhere.

    msgspec itself raises errors of two more kinds, which the handlers of its own let through.

    Raises
    ------
    msgspec.DecodeError
        They are no such JSON, are not UTF-8, or are nested too deeply.
    """
    try:
        return decode(raw)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def read_object(raw: bytes) -> dict[str, Any]:
    """An object of whatever fields; raises `msgspec.DecodeError` as `read_json` does."""
    return read_json(_OBJECTS.decode, raw)
