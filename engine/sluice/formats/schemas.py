"""What the forms of a message share: their names, and the files of their schemas."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec

Format = Literal["json", "avro", "protobuf"]
FORMATS: tuple[Format, ...] = get_args(Format)
Name = Literal["post", "verdict"]

AVRO_MARKER = b"\xc3\x01"
"""Of Avro's single-object encoding (specification 1.11); as UTF-8 it would be a mistake."""

_FILES: dict[tuple[Name, Format], str] = {
    ("post", "avro"): "post.avsc",
    ("verdict", "avro"): "verdict.avsc",
    ("post", "protobuf"): "sluice.proto",
    ("verdict", "protobuf"): "sluice.proto",
}


class NotInForm(msgspec.DecodeError):
    """Bytes are not in the form that they should be. The message says why, without content."""


def read_schema(name: Name, form: Format) -> str:
    """The schema of a message in a form other than JSON, as it stands in its file."""
    return files(__package__).joinpath(_FILES[name, form]).read_text("utf-8")


def write_inputs(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule's reason whose inputs, of any type, are written as JSON each."""
    return {**rule, "inputs": {name: msgspec.json.encode(value).decode() for name, value in rule["inputs"].items()}}


def read_inputs(rule: dict[str, Any]) -> dict[str, Any]:
    """The same, read again; raises `NotInForm`."""
    try:
        return {**rule, "inputs": {name: msgspec.json.decode(value) for name, value in rule["inputs"].items()}}
    except msgspec.DecodeError as error:
        raise NotInForm("the inputs of a rule are no JSON") from error
