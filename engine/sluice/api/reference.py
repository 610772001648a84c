"""``/openapi.json``, and ``/docs``: the same on one page, which loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
from typing import Any

from litestar import MediaType, Request, get

from sluice.api.access import needs

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6; } pre { background: #22252b; } }
h2 { margin-top: 2.5rem; } code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { padding: .75rem; overflow-x: auto; border: 1px solid #8884; border-radius: 6px; }
.method { font-weight: 600; margin-right: .5rem; }
"""


@get("/openapi.json", guards=[needs("score")], include_in_schema=False)
async def show_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI document."""
    return request.app.openapi_schema.to_schema()


@get("/docs", media_type=MediaType.HTML, include_in_schema=False)
async def show_reference(request: Request[Any, Any, Any]) -> str:
    """The page."""
    return write_reference(request.app.openapi_schema.to_schema())


def write_reference(document: dict[str, Any]) -> str:
    """An OpenAPI document as HTML."""
    info = document["info"]
    operations = [
        _write_operation(path, method, operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
    ]
    schemas = [_write_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(info['title'])} HTTP API</title><style>{STYLE}</style></head><body>",
            f"<h1>{html.escape(info['title'])} HTTP API</h1>",
            f'<p>Version {html.escape(info["version"])}. For programs: <a href="/openapi.json">/openapi.json</a>.</p>',
            *operations,
            "<h2>Messages</h2>",
            *schemas,
            "</body></html>",
        ]
    )


def _write_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {})
    takes = "".join(f"<p>Takes <code>{html.escape(kind)}</code>:</p>{_code(entry)}" for kind, entry in body.items())
    answers = ", ".join(f"<code>{html.escape(status)}</code>" for status in operation["responses"])
    return (
        f"<h2><code><span class='method'>{method.upper()}</span>{html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation.get('summary') or '')}. {html.escape(operation.get('description') or '')}</p>"
        f"{takes}<p>Answers {answers}.</p>"
    )


def _write_schema(name: str, schema: dict[str, Any]) -> str:
    return f'<h3 id="{html.escape(name)}"><code>{html.escape(name)}</code></h3>{_code(schema)}'


def _code(value: Any) -> str:
    return f"<pre>{html.escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
