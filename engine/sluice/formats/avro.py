"""Messages in Avro's single-object encoding: a marker, the schema's fingerprint, the record.

Source: Apache Avro 1.11, "Single-object encoding". The schemas are ``post.avsc`` and ``verdict.avsc`` beside this file.
"""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import msgspec
from fastavro.schema import fingerprint, to_parsing_canonical_form

from sluice.formats.schemas import AVRO_MARKER, Name, NotInForm, read_inputs, read_schema, write_inputs
from sluice.schema import MAX_LISTED, Post, Verdict

HEAD_BYTES = len(AVRO_MARKER) + 8
MAX_READS = 64 * MAX_LISTED
"""Of a post: each medium takes a few. Else two megabytes could be two million media, and take half a gigabyte."""
_EVIDENCE = {"text": "sluice.v1.TextEvidence", "image": "sluice.v1.ImageEvidence", "audio": "sluice.v1.AudioEvidence"}
_MODALITIES = {record: modality for modality, record in _EVIDENCE.items()}


class _Schema:
    """A message's schema, and what its encoding begins with."""

    def __init__(self, name: Name) -> None:
        self.name = name
        self.parsed = fastavro.parse_schema(json.loads(read_schema(name, "avro")))
        self.head = AVRO_MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(self.parsed), "CRC-64-AVRO"))


_POST, _VERDICT = _Schema("post"), _Schema("verdict")


class _BoundedReads(io.BytesIO):
    """Bytes that may be read in so many pieces."""

    n_left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.n_left -= 1
        if self.n_left < 0:
            raise ValueError("too many pieces")
        return super().read(size)


def encode(message: Post | Verdict) -> bytes:
    """Write a message."""
    fields = msgspec.to_builtins(message)
    if isinstance(message, Verdict):
        fields["reasons"] = [_name_records(reason) for reason in fields["reasons"]]
        fields["rules"] = list(map(write_inputs, fields["rules"]))
    schema = _VERDICT if isinstance(message, Verdict) else _POST
    written = io.BytesIO()
    written.write(schema.head)
    fastavro.schemaless_writer(written, schema.parsed, fields, strict_allow_default=True)  # no field is left out
    return written.getvalue()


def decode_post(raw: bytes) -> Post:
    """Read a post; raises `NotInForm` and `msgspec.ValidationError`."""
    return msgspec.convert(_read(raw, _POST, _BoundedReads), Post)


def decode_verdict(raw: bytes) -> Verdict:
    """Read a verdict; raises `NotInForm` and `msgspec.ValidationError`."""
    fields = _read(raw, _VERDICT, io.BytesIO)
    fields["reasons"] = [_name_modalities(reason) for reason in fields["reasons"]]
    fields["rules"] = list(map(read_inputs, fields["rules"]))
    return msgspec.convert(fields, Verdict)


def _read(raw: bytes, schema: _Schema, make_stream: type[io.BytesIO]) -> dict[str, Any]:
    if not raw.startswith(schema.head):
        raise NotInForm(f"no single object of this version's schema of a {schema.name}")
    stream = make_stream(raw[HEAD_BYTES:])
    try:
        fields: Any = fastavro.schemaless_reader(
            stream, schema.parsed, None, return_record_name=True, return_record_name_override=True
        )
    except Exception as error:  # whatever the bytes made it run into
        raise NotInForm(f"no {schema.name} in Avro: {type(error).__name__}") from error
    if stream.tell() != len(raw) - HEAD_BYTES:
        raise NotInForm(f"there is more behind the {schema.name}")
    return dict(fields)


def _name_records(reason: dict[str, Any]) -> dict[str, Any]:
    """Evidence as members of a union."""
    evidence = [(_EVIDENCE[each.pop("modality")], each) for each in map(dict, reason["evidence"])]
    return {**reason, "evidence": evidence}


def _name_modalities(reason: dict[str, Any]) -> dict[str, Any]:
    evidence = [{**each, "modality": _MODALITIES[record]} for record, each in reason["evidence"]]
    return {**reason, "evidence": evidence}
