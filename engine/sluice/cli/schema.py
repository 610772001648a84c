"""``sluice schema``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sluice.cli.console import emit


class MessageChoice(StrEnum):
    """The messages that have a schema."""

    post = "post"
    verdict = "verdict"


def print_schema(message: Annotated[MessageChoice, typer.Argument(help="Which message.")]) -> None:
    """Print the JSON Schema (2020-12) of a message.

    Example: sluice schema post > post.schema.json
    """
    import json

    from sluice.schema import json_schema

    emit(json.dumps(json_schema(message.value), indent=2).encode())
