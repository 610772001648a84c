"""The AsyncAPI document of the topics: who writes and reads what where, generated from the messages themselves.

Source: the AsyncAPI specification 3.0.0, with its Kafka bindings.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.config import Topics
from sluice.errors import InvalidPost
from sluice.kafka import DETAIL_HEADER, LEFT_OUT_HEADER, REASON_HEADER, REDRIVEN_HEADER, SOURCE_HEADER
from sluice.schema import Post, Verdict

JSON = "application/json"
_SCHEMAS = "#/components/schemas/{name}"


def describe_topics(topics: Topics, version: str) -> dict[str, Any]:
    """The document, as it would stand in JSON, from the worker's point of view.

    Parameters
    ----------
    topics : Topics
        What the topics are called.
    version : str
        Of Sluice.
    """
    _, schemas = msgspec.json.schema_components([Post, Verdict], ref_template=_SCHEMAS)
    channels = {
        "posts": _channel(topics.posts, "post", "What publishers write."),
        "verdicts": _channel(topics.verdicts, "verdict", "One verdict per post."),
        "reviews": _channel(topics.reviews, "verdict", "The verdicts whose decision is review, once more."),
        "deadLetters": _channel(topics.dead_letters, "deadLetter", "Messages that are no posts, as they came."),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sluice",
            "version": version,
            "description": "Posts in, one explained verdict per post out. Every message is UTF-8 JSON.",
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


def _channel(address: str, message: str, description: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"topic": address, "bindingVersion": "0.5.0"}},
    }


def _operation(channel: str) -> dict[str, Any]:
    action = "receive" if channel == "posts" else "send"
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    return {
        "post": _message("Post", "The id of the post."),
        "verdict": _message("Verdict", "The id of the post. Headers are those of the post."),
        "deadLetter": {
            "description": "The original bytes, key and headers of a message that is no post.",
            "contentType": "application/octet-stream",
            "payload": {"description": "Whatever came; empty where the topic had no room for it."},
            "headers": _dead_letter_headers(),
        },
    }


def _message(schema: str, key: str) -> dict[str, Any]:
    bindings = {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}}
    return {"contentType": JSON, "payload": {"$ref": _SCHEMAS.format(name=schema)}, "bindings": bindings}


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
