"""The AsyncAPI document of the topics: who writes and reads what where, generated from the messages themselves.

Source: the AsyncAPI specification 3.0.0, with its Kafka bindings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sluice.audit.records import Line
from sluice.client.reports import Report
from sluice.config import Topics
from sluice.errors import InvalidPost
from sluice.formats import CONTENT_TYPE_HEADER, CONTENT_TYPES, FORMATS, Format, Name, read_schema
from sluice.history.erasures import Erasure, Forgotten
from sluice.human_decision import HumanDecision
from sluice.kafka import DETAIL_HEADER, LEFT_OUT_HEADER, REASON_HEADER, REDRIVEN_HEADER, SOURCE_HEADER
from sluice.schema import Post, Verdict
from sluice.shadow.record import ShadowRecord

JSON = "application/json"
_RECEIVED = ("posts", "postsHigh", "reports", "erasures")
"""By the worker; what it writes into one of them is an answer."""
_SCHEMAS = "#/components/schemas/{name}"
_PLAIN = (HumanDecision, Report, ShadowRecord, Erasure, Forgotten, Line)
"""Messages that are JSON and nothing else."""


def describe_topics(topics: Topics, version: str) -> dict[str, Any]:
    """The document, as it would stand in JSON, from the worker's point of view.

    Parameters
    ----------
    topics : Topics
        What the topics are called.
    version : str
        Of Sluice.
    """
    _, schemas = msgspec.json.schema_components([Post, Verdict, *_PLAIN], ref_template=_SCHEMAS)
    channels = {
        "posts": _channel(topics.posts, _forms("post"), "What publishers write."),
        "postsHigh": _channel(topics.posts_high, _forms("post"), "The same, of posts that go first."),
        "verdicts": _channel(topics.verdicts, _forms("verdict"), "One verdict per post."),
        "reviews": _channel(topics.reviews, _forms("verdict"), "The verdicts whose decision is review, once more."),
        "deadLetters": _channel(topics.dead_letters, ["deadLetter"], "Messages that are no posts, as they came."),
        "feedback": _channel(topics.feedback, ["suggestion"], "What comments:suggestscore is told over HTTP."),
        "decisions": _channel(topics.decisions, ["humanDecision"], "What people decided, under the post's id."),
        "reports": _channel(topics.reports, ["report"], "What users report, counted for the author."),
        "shadow": _channel(topics.shadow, ["shadowRecord"], "What other policies or models say of the same posts."),
        "audit": _channel(topics.audit, ["line"], "The records of the audit log, chained, without private parts."),
        "erasures": _channel(topics.erasures, ["erasure", "forgotten"], "Whom histories forget, and who has done so."),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sluice",
            "version": version,
            "description": "Posts in, one explained verdict per post out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": {name: _operation(name) for name in channels},
        "components": {"messages": _messages(), "schemas": _without_discriminators(schemas)},
    }


def _without_discriminators(schema: Any) -> Any:
    """OpenAPI has them as objects, AsyncAPI as names. Each of the alternatives says by itself which it is."""
    if isinstance(schema, dict):
        return {key: _without_discriminators(value) for key, value in schema.items() if key != "discriminator"}
    return [_without_discriminators(each) for each in schema] if isinstance(schema, list) else schema


def _forms(name: Name) -> list[str]:
    """A message in each of its forms; the worker reads all of a post's, and writes the one of a verdict it is told."""
    return [_in_form(name, form) for form in FORMATS]


def _in_form(name: Name, form: Format) -> str:
    return name if form == "json" else f"{name}{form.title()}"


def _channel(address: str, messages: Sequence[str], description: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {"kafka": {"topic": address, "bindingVersion": "0.5.0"}},
    }


def _operation(channel: str) -> dict[str, Any]:
    action = "receive" if channel in _RECEIVED else "send"
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    verdict_key = "The id of the post. Headers are those of the post."
    return {
        **{_in_form("post", form): _message("post", form, "The id of the post.") for form in FORMATS},
        **{_in_form("verdict", form): _message("verdict", form, verdict_key) for form in FORMATS},
        "deadLetter": {
            "description": "The original bytes, key and headers of a message that is no post.",
            "contentType": "application/octet-stream",
            "payload": {"description": "Whatever came; empty where the topic had no room for it."},
            "headers": _dead_letter_headers(),
        },
        **{_lower_first(kind.__name__): _plain_message(kind.__name__) for kind in _PLAIN},
        "suggestion": {
            "description": "The body of a request to Perspective's comments:suggestscore.",
            "contentType": JSON,
            "payload": {"type": "object", "required": ["comment", "attributeScores"]},
        },
    }


def _lower_first(name: str) -> str:
    return name[0].lower() + name[1:]


def _plain_message(schema: str) -> dict[str, Any]:
    return {"contentType": JSON, "payload": {"$ref": _SCHEMAS.format(name=schema)}}


def _message(name: Name, form: Format, key: str) -> dict[str, Any]:
    bindings = {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}}
    message = {"contentType": CONTENT_TYPES[form], "payload": _payload(name, form), "bindings": bindings}
    if form != "json":
        header = {"type": "string", "const": CONTENT_TYPES[form]}
        message["headers"] = {"type": "object", "properties": {CONTENT_TYPE_HEADER: header}}
    return message


def _payload(name: Name, form: Format) -> dict[str, Any]:
    match form:
        case "json":
            return {"$ref": _SCHEMAS.format(name=name.title())}
        case "avro":
            schema: Any = msgspec.json.decode(read_schema(name, form))
            return {"schemaFormat": "application/vnd.apache.avro;version=1.11.0", "schema": schema}
        case "protobuf":
            return {"schemaFormat": "application/vnd.google.protobuf;version=3", "schema": read_schema(name, form)}


def _dead_letter_headers() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [REASON_HEADER, DETAIL_HEADER, SOURCE_HEADER],
        "properties": {
            REASON_HEADER: {"type": "string", "enum": list(InvalidPost.REASONS)},
            DETAIL_HEADER: {"type": "string", "description": "What was wrong and where, without content."},
            SOURCE_HEADER: {"type": "string", "description": "topic/partition/offset of the original."},
            LEFT_OUT_HEADER: {"type": "string", "description": "Once for each part of it that is missing here."},
            REDRIVEN_HEADER: {"type": "string", "description": "How often it was published again before."},
        },
    }
