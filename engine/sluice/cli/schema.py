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
    decision = "decision"
    report = "report"
    asyncapi = "asyncapi"


class FormChoice(StrEnum):
    """What messages are written in."""

    json = "json"
    avro = "avro"
    protobuf = "protobuf"


def print_schema(
    message: Annotated[MessageChoice, typer.Argument(help="Of what.")],
    form: Annotated[FormChoice, typer.Option("--format", help="Of the message.")] = FormChoice.json,
) -> None:
    """Print the schema of a message (JSON Schema 2020-12, Avro, Protobuf), or the AsyncAPI document of all topics.

    Example: sluice schema post > post.schema.json

    Example: sluice schema verdict --format avro > verdict.avsc

    Example: sluice schema decision > decision.schema.json

    Example: sluice schema asyncapi > asyncapi.json
    """
    import json

    if form is FormChoice.json:
        emit(json.dumps(_read_schema(message), indent=2).encode())
    else:
        emit(_read_other(message, form).rstrip("\n").encode())


def _read_other(message: MessageChoice, form: FormChoice) -> str:
    from sluice.formats import read_schema

    if message in (MessageChoice.decision, MessageChoice.report):
        raise typer.BadParameter(f"a {message.value} is JSON and nothing else", param_hint="--format")
    if message is MessageChoice.asyncapi:
        raise typer.BadParameter("the AsyncAPI document is JSON, and names every form", param_hint="--format")
    return read_schema("post" if message is MessageChoice.post else "verdict", form.value)


def _read_schema(message: MessageChoice) -> dict[str, Any]:
    from sluice.asyncapi import describe_topics
    from sluice.client import Report
    from sluice.human_decision import HumanDecision
    from sluice.schema import Post, Verdict, json_schema
    from sluice.settings import load_settings

    match message:
        case MessageChoice.asyncapi:
            return describe_topics(load_settings().kafka.topics, __version__)
        case MessageChoice.post:
            return json_schema(Post)
        case MessageChoice.verdict:
            return json_schema(Verdict)
        case MessageChoice.decision:
            return json_schema(HumanDecision)
        case MessageChoice.report:
            return json_schema(Report)
