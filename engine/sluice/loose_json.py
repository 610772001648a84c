"""The second try at a post that strict reading refuses: lenient where nothing is at stake, and nowhere else.

Read leniently: lone surrogates (as U+FFFD), byte order marks between tokens and in names, null for absent, a number
where an id is wanted (as its text), media given as their URI alone, and any type in a field that is only carried.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from sluice.errors import InvalidPost

BYTE_ORDER_MARK = "\ufeff"

_STRING_OR_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"?|\ufeff', re.DOTALL)
_IDS = ("id", "author_id")
_CARRIED = ("author_id", "surface", "tenant", "market", "author_standing", "created_at")
_MEDIA = ("images", "audio")
_READ = ("text", "deadline_ms")


class _Number(str):
    """A number as it was written; of any length and size, since it may stand in a field that is ignored."""

    __slots__ = ()


def read_loosely(raw: bytes) -> dict[str, Any]:
    """The fields of a post, for the typed reading that follows and says what is wrong with them.

    Raises
    ------
    InvalidPost
        ``not_utf8``, ``not_json`` (NaN and Infinity are none) or ``invalid`` (no object).
    """
    text = _utf8(raw)
    try:
        fields = _parse(_without_marks(text))
        if not isinstance(fields, dict):
            raise InvalidPost("invalid", f"Expected `object`, got `{_type_name(fields)}`")
        return _loosen(_without_marks_in_names(fields) if BYTE_ORDER_MARK in text else fields)
    except RecursionError as error:
        raise InvalidPost("not_json", "nested too deeply") from error
    except ValueError as error:
        raise InvalidPost("not_json", str(error)) from error


def _without_marks_in_names(fields: dict[str, Any]) -> dict[str, Any]:
    """One that was written as an escape is no slip of an editor, and such a name is an unknown one at the first try."""
    return {name.strip(BYTE_ORDER_MARK): value for name, value in fields.items()}


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPost("not_utf8", f"byte {error.start} of {len(raw)}: {error.reason}") from error


def _without_marks(text: str) -> str:
    """Marks inside of strings stay: they are what was written there."""
    if BYTE_ORDER_MARK not in text:
        return text
    return _STRING_OR_MARK.sub(lambda match: match[0].strip(BYTE_ORDER_MARK), text)


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _type_name(value: Any) -> str:
    if isinstance(value, _Number):
        return "number"
    return {list: "array", str: "str", bool: "bool", type(None): "null"}.get(type(value), type(value).__name__)


def _loosen(fields: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if value is not None}
    loose = {name: _plain(given[name]) for name in _READ if name in given}
    loose |= {name: _text(given[name]) for name in _IDS if name in given}
    loose |= {name: _plain(given[name]) for name in _CARRIED if name not in loose and _is_text(given.get(name))}
    loose |= {name: _media(given[name]) for name in _MEDIA if name in given}
    return {name: value for name, value in loose.items() if name not in _CARRIED or _is_text(value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, _Number)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, _Number) else _plain(value)


def _media(items: Any) -> Any:
    """References; what is none stays, and the typed reading names its place."""
    if not isinstance(items, list):
        return _plain(items)
    return [{"uri": _plain(item)} if _is_text(item) else _medium(item) for item in items if item is not None]


def _medium(item: Any) -> Any:
    """Of a reference only the URI counts, whatever else it says."""
    return {"uri": _plain(item["uri"])} if isinstance(item, dict) and item.get("uri") is not None else _kind(item)


def _kind(item: Any) -> Any:
    """Stands for something wrong of the same type."""
    return {} if isinstance(item, dict) else _plain(item)


def _plain(value: Any) -> Any:
    """What msgspec converts; what is nested here is of a wrong type anyway."""
    if isinstance(value, _Number):
        return _number(value)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return type(value)() if isinstance(value, list | dict) else value


def _number(text: _Number) -> int | float:
    try:
        return int(text)
    except ValueError:  # a fraction, an exponent, or more digits than Python reads
        number = float(text)
        return int(number) if number.is_integer() else number
