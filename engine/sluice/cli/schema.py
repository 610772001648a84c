"""``sluice schema``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from sluice import __version__
from sluice.cli.console import emit


class MessageChoice(StrEnum):
    """What has a schema: the messages, and the topics that they go through."""

    post = "post"
    verdict = "verdict"
    asyncapi = "asyncapi"


def print_schema(message: Annotated[MessageChoice, typer.Argument(help="Of what.")]) -> None:
    """Print the JSON Schema (2020-12) of a message, or the AsyncAPI document of all topics.

    Example: sluice schema post > post.schema.json

    Example: sluice schema asyncapi > asyncapi.json
    """
    import json

    emit(json.dumps(_read_schema(message), indent=2).encode())


def _read_schema(message: MessageChoice) -> dict[str, Any]:
    from sluice.asyncapi import describe_topics
    from sluice.schema import json_schema
    from sluice.settings import load_settings

    match message:
        case MessageChoice.asyncapi:
            return describe_topics(load_settings().kafka.topics, __version__)
        case MessageChoice.post:
            return json_schema("post")
        case MessageChoice.verdict:
            return json_schema("verdict")
