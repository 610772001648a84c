"""Messages in Protobuf, of ``sluice.proto`` beside this file.

``sluice.binpb`` is that file as a descriptor set (``protoc --descriptor_set_out=sluice.binpb sluice.proto``): generated
code would ask for the version of protobuf that made it, and Triton's client brings an older one to many.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

from sluice.formats.schemas import Name, NotInForm, read_inputs, write_inputs
from sluice.schema import MAX_LISTED, Post, Verdict


def _load_classes() -> dict[Name, Any]:
    found = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath("sluice.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()  # of our own: a program may have compiled the same file
    for file in found.file:
        pool.Add(file)
    named: dict[Name, str] = {"post": "sluice.v1.Post", "verdict": "sluice.v1.Verdict"}
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(full)) for name, full in named.items()}


_CLASSES = _load_classes()


def encode(written: Post | Verdict) -> bytes:
    """Write a message."""
    fields = msgspec.to_builtins(written)
    if isinstance(written, Verdict):
        fields["reasons"] = [_nest(reason) for reason in fields["reasons"]]
        fields["rules"] = list(map(write_inputs, fields["rules"]))
    made = _CLASSES["verdict" if isinstance(written, Verdict) else "post"]()
    json_format.ParseDict(fields, made)
    return bytes(made.SerializeToString())


def decode_post(raw: bytes) -> Post:
    """Read a post; raises `NotInForm` and `msgspec.ValidationError`."""
    parsed = _parse(raw, "post")
    if max(len(parsed.images), len(parsed.audio)) > MAX_LISTED:  # before each becomes a Python object
        raise msgspec.ValidationError(f"more than {MAX_LISTED} images or clips")
    return msgspec.convert(_fields_of(parsed), Post)


def decode_verdict(raw: bytes) -> Verdict:
    """Read a verdict; raises `NotInForm` and `msgspec.ValidationError`."""
    fields = _fields_of(_parse(raw, "verdict"))
    fields["reasons"] = [_flatten(reason) for reason in fields["reasons"]]
    fields["rules"] = list(map(read_inputs, fields["rules"]))
    fields["policy"]["version"] = int(fields["policy"]["version"])  # a 64-bit number is a string in Protobuf's JSON
    return msgspec.convert(fields, Verdict)


def _parse(raw: bytes, name: Name) -> Any:
    try:
        return _CLASSES[name].FromString(raw)
    except message.DecodeError as error:
        raise NotInForm(f"no {name} in Protobuf") from error


def _fields_of(parsed: Any) -> dict[str, Any]:
    fields = json_format.MessageToDict(
        parsed, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return dict(fields)


def _nest(reason: dict[str, Any]) -> dict[str, Any]:
    """Evidence as members of a ``oneof``."""
    return {**reason, "evidence": [_nest_one(dict(each)) for each in reason["evidence"]]}


def _nest_one(evidence: dict[str, Any]) -> dict[str, Any]:
    return {evidence.pop("modality"): evidence}


def _flatten(reason: dict[str, Any]) -> dict[str, Any]:
    evidence = [{**fields, "modality": modality} for each in reason["evidence"] for modality, fields in each.items()]
    return {**reason, "evidence": evidence}
