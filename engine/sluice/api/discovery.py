"""Google's discovery document of the Perspective endpoints: what its API client libraries read before they call.

The format is described at https://developers.google.com/discovery/v1/reference/apis. Messages come from the same
structs that the endpoints read and write, so the document cannot say anything else than they do.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import QueryParameter

from sluice import __version__
from sluice.api.access import needs
from sluice.api.errors import AnyRequest
from sluice.api.perspective import AnalyzeRequest, AnalyzeResponse, SuggestRequest, SuggestResponse
from sluice.api.problems import RequestProblem

NAME, VERSION = "commentanalyzer", "v1alpha1"
METHODS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    "analyze": (AnalyzeRequest, AnalyzeResponse),
    "suggestscore": (SuggestRequest, SuggestResponse),
}
"""Of the resource ``comments``: what goes in, what comes out."""
_PARAMETERS = {
    "alt": {"type": "string", "location": "query", "default": "json", "enum": ["json"]},
    "fields": {"type": "string", "location": "query", "description": "Taken, and has no effect."},
    "key": {"type": "string", "location": "query", "description": "API key."},
    "prettyPrint": {"type": "boolean", "location": "query", "default": "true", "description": "Has no effect."},
    "quotaUser": {"type": "string", "location": "query", "description": "Taken, and has no effect."},
}
"""That every method takes."""


@get(
    ["/$discovery/rest", f"/discovery/v1/apis/{NAME}/{VERSION}/rest"],
    guards=[needs("score")],
    include_in_schema=False,
)
async def show_discovery(request: AnyRequest, version: Annotated[str, QueryParameter()] = VERSION) -> dict[str, Any]:
    """The document, for calls to wherever it was read from; raises `RequestProblem` for another version."""
    if version != VERSION:
        raise RequestProblem(404, "not_found", f"only version {VERSION} is served")
    return write_discovery(str(request.base_url))


def write_discovery(root_url: str) -> dict[str, Any]:
    """The document for a server at `root_url`, which ends with a slash."""
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"{NAME}:{VERSION}",
        "name": NAME,
        "version": VERSION,
        "revision": __version__,
        "title": "Perspective's Comment Analyzer, answered by Sluice",
        "protocol": "rest",
        "rootUrl": root_url,
        "servicePath": "",
        "baseUrl": root_url,
        "parameters": _PARAMETERS,
        "schemas": write_schemas(),
        "resources": {"comments": {"methods": {name: _method(name, *types) for name, types in METHODS.items()}}},
    }


def _method(name: str, takes: type, answers: type) -> dict[str, Any]:
    return {
        "id": f"{NAME}.comments.{name}",
        "path": f"{VERSION}/comments:{name}",
        "flatPath": f"{VERSION}/comments:{name}",
        "httpMethod": "POST",
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": takes.__name__},
        "response": {"$ref": answers.__name__},
    }


def write_schemas() -> dict[str, Any]:
    """All messages by name, in the draft of JSON Schema that discovery documents use."""
    types = [each for pair in METHODS.values() for each in pair]
    _, components = msgspec.json.schema_components(types, ref_template="{name}")
    return {name: {"id": name, **_simplify(schema)} for name, schema in components.items()}


def _simplify(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema in the few words that discovery documents know: no alternatives, and null is a field left out."""
    alternatives = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if alternatives:
        return _simplify(alternatives[0])
    kept: dict[str, Any] = {word: schema[word] for word in ("$ref", "type", "enum", "description") if word in schema}
    if "enum" in schema:
        kept["type"] = "string"
    if "items" in schema:
        kept["items"] = _simplify(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: _simplify(each) for name, each in schema["properties"].items()}
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        kept["additionalProperties"] = _simplify(values) or {"type": "any"}
    return kept
