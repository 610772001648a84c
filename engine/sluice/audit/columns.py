"""Records as a Parquet file: each whole, as it was hashed, and beside it in columns what people ask a log for."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sluice.audit.records import Body, Line
from sluice.errors import AuditError, SettingsError

LINE_COLUMNS = ("hash", "body")
"""What the chain is made of; every other column is read from the body."""


def _of_body(name: str) -> Callable[[Body], Any]:
    return lambda body: getattr(body, name)


def _said(name: str) -> Callable[[Body], Any]:
    return lambda body: body.says.get(name)


def _policy(name: str) -> Callable[[Body], Any]:
    return lambda body: (body.says.get("policy") or {}).get(name)


def _each(list_name: str, name: str) -> Callable[[Body], Any]:
    return lambda body: [one.get(name) for one in body.says.get(list_name) or ()]


def _scores(body: Body) -> Any:
    scores = body.says.get("scores")
    return None if scores is None else list(scores.items())


def _language(body: Body) -> Any:
    return (body.says.get("language") or {}).get("code")


READERS: dict[str, tuple[str, Callable[[Body], Any]]] = {
    "topic": ("string", _of_body("topic")),
    "partition": ("int32", _of_body("partition")),
    "offset": ("int64", _of_body("offset")),
    "at": ("time", _of_body("at_ms")),
    "kind": ("string", _of_body("kind")),
    "decision": ("string", _said("decision")),
    "tenant": ("string", _said("tenant")),
    "surface": ("string", _said("surface")),
    "language": ("string", _language),
    "policy": ("string", _policy("name")),
    "policy_version": ("int64", _policy("version")),
    "policy_sha256": ("string", _policy("sha256")),
    "urgency": ("string", _said("urgency")),
    "queue": ("string", _said("queue")),
    "labels": ("strings", _each("reasons", "label")),
    "rules": ("strings", _each("rules", "rule")),
    "lists": ("strings", _each("lists", "list")),
    "banks": ("strings", _each("hashes", "bank")),
    "scores": ("numbers", _scores),
}
"""Type and origin of each column but `LINE_COLUMNS`, by its name."""


def require_arrow() -> Any:
    """PyArrow; raises `SettingsError` where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise SettingsError(
            f"audit logs in Parquet need the extra [parquet]: pip install 'sluice-moderation[parquet]' ({error})"
        ) from error
    return pyarrow


def write_table(lines: Sequence[Line]) -> bytes:
    """Records as the bytes of a file; raises `SettingsError` without the extra."""
    arrow, sink = require_arrow(), io.BytesIO()
    arrow.parquet.write_table(_tabulate(lines), sink, compression="zstd")
    return sink.getvalue()


def read_table(content: bytes) -> list[Line]:
    """What `write_table` wrote.

    Raises
    ------
    AuditError
        It is no such file, or a column says something else than the records.
    SettingsError
        The extra is not installed.
    """
    arrow = require_arrow()
    try:
        table = arrow.parquet.read_table(io.BytesIO(content))
        pairs = zip(*(table.column(name).to_pylist() for name in LINE_COLUMNS), strict=True)
        lines = [Line(str(seal), _raw(body)) for seal, body in pairs]
        is_same = table.equals(_tabulate(lines))
    except (arrow.ArrowException, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AuditError(f"no records in Parquet: {type(error).__name__}") from error
    if not is_same:
        raise AuditError("a column says something else than the records")
    return lines


def _raw(body: str) -> msgspec.Raw:
    return msgspec.Raw(body.encode())


def _tabulate(lines: Sequence[Line]) -> Any:
    arrow = require_arrow()
    bodies = [line.read() for line in lines]
    types = _types(arrow)
    columns = {
        name: arrow.array([read(body) for body in bodies], types[kind]) for name, (kind, read) in READERS.items()
    }
    columns["hash"] = arrow.array([line.hash for line in lines], arrow.string())
    columns["body"] = arrow.array([bytes(line.body).decode() for line in lines], arrow.string())
    return arrow.table(columns)


def _types(arrow: Any) -> dict[str, Any]:
    text = arrow.string()
    return {
        "string": text, "int32": arrow.int32(), "int64": arrow.int64(), "time": arrow.timestamp("ms", "UTC"),
        "strings": arrow.list_(text), "numbers": arrow.map_(text, arrow.float64()),
    }  # fmt: skip
