"""Banks in files: our own CSV, hashes one a line, and what ThreatExchange and Hasher-Matcher-Actioner (HMA) exchange.

Sources: ThreatExchange's ``threat_updates`` (fields ``indicator``, ``type``, ``id``, ``should_delete``), HMA's bodies
of signals (``{"pdq": "…"}``), and the lines of PDQ's own ``pdq-photo-hasher``: hash, quality, name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from sluice.errors import HashError
from sluice.hashes.bank import DEFAULTS, KINDS, Bank, BankSettings, HashEntry, Kind, make_bank, parse_hash

SUFFIXES = (".csv", ".json", ".jsonl")
Form = Literal["csv", "threatexchange", "hma"]
FORMS: tuple[Form, ...] = get_args(Form)

_SETTINGS = "#bank "
_LATE_SETTINGS = re.compile(r"^\s*#\s*bank\s*\{", re.MULTILINE)
"""Behind a comment, or not quite as they are written: a negative bank would be one that finds."""
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_FIELDS = ("kind", "value", "id", "owner", "note")
_TYPES: Mapping[str, Kind] = {"HASH_PDQ": "pdq", "HASH_SHA256": "sha256", "HASH_MD5": "md5"}
_NAMES: Mapping[str, str] = {
    "hash": "value", "signal_value": "value", "indicator": "value", "content": "value", "signal_type": "kind",
    "type": "kind", "description": "note", "source": "owner",
}  # fmt: skip


def bank_files(path: Path) -> list[Path]:
    """The banks of a folder, by name; a file is one itself."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in SUFFIXES and not each.name.startswith("."))


def read_banks(paths: Iterable[Path], kind: Kind = "pdq") -> dict[str, Bank]:
    """Banks by the names of their files, without the ending.

    Parameters
    ----------
    kind : str
        Of hashes in files that do not say.

    Raises
    ------
    HashError
        Naming the file and the line of the mistake, or two files of one name.
    """
    banks: dict[str, Bank] = {}
    for path in paths:
        if path.stem in banks:
            raise HashError(f"{path}: there is another bank called {path.stem}")
        try:
            banks[path.stem] = read_bank(path.read_bytes(), str(path), kind)
        except OSError as error:
            raise HashError(f"{path}: cannot be read: {error.strerror}") from error
    return banks


def read_bank(content: bytes, where: str, kind: Kind = "pdq") -> Bank:
    """A bank of a file's content, in whichever form it is; raises `HashError`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HashError(f"{where}: not UTF-8") from error
    settings, text = _split_settings(text, where)
    numbered = _read_json(text, where) if text.lstrip().startswith(("{", "[")) else _read_csv(text, kind)
    try:
        return make_bank(_checked(numbered, where), settings)
    except csv.Error as error:
        raise HashError(f"{where}: {error}") from error
    except RecursionError as error:
        raise HashError(f"{where}: nested too deeply") from error


def _split_settings(text: str, where: str) -> tuple[BankSettings, str]:
    if not text.startswith(_SETTINGS):
        if found := _LATE_SETTINGS.search(text):
            number = text.count("\n", 0, found.start()) + 1
            raise HashError(
                f'{where}:{number}: a bank\'s settings are its first line, such as {_SETTINGS}{{"distance": 20}}'
            )
        return DEFAULTS, text
    line, _, rest = text.partition("\n")
    try:
        return msgspec.json.decode(line[len(_SETTINGS) :], type=BankSettings), "\n" + rest  # lines keep their numbers
    except msgspec.DecodeError as error:
        raise HashError(f"{where}:1: {error}") from error


def _checked(numbered: Iterable[tuple[int, Mapping[str, Any]]], where: str) -> Iterator[HashEntry]:
    for number, fields in numbered:
        try:
            given = {name: value for name, value in fields.items() if value not in (None, "")}
            entry = msgspec.convert(given, HashEntry)
            parse_hash(entry.kind, entry.value)
            msgspec.json.encode(entry)  # a lone surrogate is no text
        except (msgspec.ValidationError, UnicodeEncodeError, HashError) as error:
            raise HashError(f"{where}:{number}: {error}") from error
        yield entry


def _read_csv(text: str, kind: Kind) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.reader(io.StringIO(text))
    names: list[str] | None = None
    for row in rows:
        if not row or row[0].startswith("#"):
            continue
        if names is None and _is_header(row):
            names = [_NAMES.get(each.strip().lower(), each.strip().lower()) for each in row]
        elif names is None:
            yield rows.line_num, {"kind": kind, "value": row[0].strip(), "note": row[2] if len(row) > 2 else None}
        else:
            yield rows.line_num, _known_fields(dict(zip(names, row, strict=False)), kind)


def _is_header(row: Sequence[str]) -> bool:
    """Whether it names fields: one is the hash's, and none holds one."""
    cells = [each.strip().lower() for each in row]
    return bool({"value", *_NAMES} & set(cells)) and not any(_HASH.fullmatch(each) for each in cells)


def _read_json(text: str, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """A document with all of them under ``data``, or an object a line."""
    try:
        whole = json.loads(text)
    except ValueError:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield from ((number, fields) for fields in _objects_of(line, f"{where}:{number}"))
        return
    listed = whole if isinstance(whole, list) else whole.get("data", [whole])
    if not isinstance(listed, list):
        raise HashError(f"{where}: data is no list")
    for number, each in enumerate(listed, 1):
        yield from ((number, fields) for fields in _fields_of(each, f"{where}:{number}"))


def _objects_of(line: str, where: str) -> Iterator[Mapping[str, Any]]:
    try:
        each = json.loads(line)
    except ValueError as error:
        raise HashError(f"{where}: not JSON") from error
    yield from _fields_of(each, where)


def _fields_of(each: Any, where: str) -> Iterator[Mapping[str, Any]]:
    """One entry, or of HMA's objects one for each kind; none of what is to be deleted."""
    if not isinstance(each, dict):
        raise HashError(f"{where}: no object")
    if each.get("should_delete", False) not in (None, False, True):
        raise HashError(f"{where}: should_delete is neither true nor false")
    if each.get("should_delete"):
        return
    if signals := [kind for kind in KINDS if isinstance(each.get(kind), str)]:
        yield from ({"kind": kind, "value": each[kind], **_rest_of(each)} for kind in signals)
        return
    yield _known_fields({_NAMES.get(name, name): value for name, value in each.items()}, "pdq")


def _known_fields(fields: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    said = fields.get("kind") or kind
    return {
        "kind": _TYPES.get(said, said) if isinstance(said, str) else said,
        "value": fields.get("value"),
        **_rest_of(fields),
    }


def _rest_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if fields.get(name) is None else str(fields[name]) for name in ("id", "owner", "note")}


def with_settings(bank: Bank, given: Mapping[str, Any]) -> Bank:
    """A bank matched otherwise; what is None stays as it was."""
    settings = msgspec.structs.replace(bank.settings, **{key: each for key, each in given.items() if each is not None})
    return Bank(settings, bank.hashes, bank.details)


def write_bank(bank: Bank, form: Form) -> Iterator[bytes]:
    """Lines of a file in a form; `read_bank` reads them all again, but for the settings of others than ``csv``."""
    if form == "csv":
        yield from _write_csv(bank)
    elif form == "hma":
        for entry in bank.entries():
            yield msgspec.json.encode({entry.kind: entry.value, **_told(entry)})
    else:
        types = {kind: name for name, kind in _TYPES.items()}
        rows = ({"indicator": each.value, "type": types[each.kind], **_told(each)} for each in bank.entries())
        named = ({("description" if name == "note" else name): value for name, value in row.items()} for row in rows)
        yield msgspec.json.encode({"data": list(named)})


def _told(entry: HashEntry) -> dict[str, str]:
    fields = {"id": entry.id, "owner": entry.owner, "note": entry.note}
    return {name: value for name, value in fields.items() if value is not None}


def _write_csv(bank: Bank) -> Iterator[bytes]:
    if bank.settings != DEFAULTS:
        yield _SETTINGS.encode() + msgspec.json.encode(bank.settings)
    yield ",".join(_FIELDS).encode()
    for entry in bank.entries():
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(getattr(entry, name) or "" for name in _FIELDS)
        yield line.getvalue().encode()
