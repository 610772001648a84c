"""The page at ``/``: type a text, drop a picture, see the scores. Where keys are set one signs in with a key first.

Its files are served as they are, without a build step. They can run nothing but themselves: the content security policy
lets neither markup in a post nor a page around this one do anything.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import MediaType, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, URLEncodedBody
from litestar.types import ExceptionHandlersMap

from sluice.api.access import KEY_COOKIE, KEYRING_STATE, needs
from sluice.api.errors import PROBLEMS, AnyRequest
from sluice.api.keys import KeyRing
from sluice.api.problems import MEDIA_TYPE as PROBLEM_TYPE
from sluice.api.problems import RequestProblem

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".html": "text/html",
}
SHARED_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NOTHING = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    f"{_NOTHING}; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_SIGN_IN_STYLE = """
:root { color-scheme: light dark; --page: #f5f7f9; --surface: #fff; --ink: #17212b; --line: #7b8894; --accent: #00695c;
  --on: #fff; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #0e1317; --surface: #161d23; --ink: #e7edf2; --line: #74828f;
  --accent: #5cd3c1; --on: #06231f; --wrong: #ff9188; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { box-sizing: border-box; width: min(24rem, 100vw - 2rem); padding: 2rem; background: var(--surface);
  border: 1px solid var(--line); border-radius: 14px; }
h1 { margin: 0 0 1rem; font-size: 1.375rem; } label { display: block; font-weight: 600; }
input, button { box-sizing: border-box; width: 100%; font: inherit; padding: .5rem .75rem; border-radius: 10px;
  border: 1px solid var(--line); background: none; color: inherit; margin-top: .375rem; }
button { margin-top: 1rem; background: var(--accent); border-color: var(--accent); color: var(--on); font-weight: 600; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; } .wrong { color: var(--wrong); }
"""
_SIGN_IN_POLICY = (
    f"{_NOTHING}; style-src 'sha256-{base64.b64encode(hashlib.sha256(_SIGN_IN_STYLE.encode()).digest()).decode()}'"
)


class SignIn(msgspec.Struct, frozen=True):
    """What the form sends."""

    key: str = ""


def _read_files() -> dict[str, bytes]:
    folder = files("sluice.api") / "static"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


_FILES = _read_files()


@get("/", guards=[needs("score")], include_in_schema=False)
async def show_page(request: AnyRequest) -> Response[bytes]:
    """The page itself."""
    content = _FILES["index.html"]
    if request.app.state.get(KEYRING_STATE) is not None:
        content = content.replace(b'data-keys="false"', b'data-keys="true"', 1)
    return _respond("index.html", content)


@get("/page/{name:str}", guards=[needs("score")], include_in_schema=False)
async def show_file(name: FromPath[str]) -> Response[bytes]:
    """A file of the page; raises `RequestProblem` (404) for another."""
    if name not in _FILES:
        raise RequestProblem(404, "not_found", "the page has no such file")
    return _respond(name, _FILES[name])


@post("/", include_in_schema=False)
async def sign_in(request: AnyRequest, data: URLEncodedBody[SignIn]) -> Response[str]:
    """Keep the key in a cookie that scripts cannot read, and go back to the page."""
    ring: KeyRing | None = request.app.state.get(KEYRING_STATE)
    client = ring.find(data.key) if ring else None
    if ring and (client is None or "score" not in client.scopes):
        return _ask_for_key("That key may not score posts here." if data.key else "")
    answer = _go_back()
    if client:
        answer.set_cookie(_make_cookie(request, quote(data.key, safe="")))
    return answer


@post("/sign-out", guards=[needs("score")], include_in_schema=False)
async def sign_out(request: AnyRequest) -> Response[str]:
    """Forget the key."""
    answer = _go_back()
    answer.set_cookie(_make_cookie(request, "", max_age=0))
    return answer


def _respond(name: str, content: bytes) -> Response[bytes]:
    media_type = MEDIA_TYPES[name[name.rindex(".") :]]
    headers = {**SHARED_HEADERS, "Content-Security-Policy": _PAGE_POLICY}
    return Response(content, media_type=media_type, headers=headers)


def _go_back() -> Response[str]:
    """To the page, also where a proxy has put it below a path; the browser keeps the fragment."""
    return Response("", status_code=303, headers={**SHARED_HEADERS, "Location": "./"})


def _make_cookie(request: AnyRequest, value: str, max_age: int | None = None) -> Cookie:
    secure = request.url.scheme == "https"
    return Cookie(KEY_COOKIE, value=value, max_age=max_age, httponly=True, samesite="lax", secure=secure)


def _ask_for_key(wrong: str) -> Response[str]:
    said = f'<p class="wrong" role="alert">{wrong}</p>' if wrong else ""
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice: sign in</title><style>{_SIGN_IN_STYLE}</style></head><body><main><h1>Sluice</h1>
<form method="post">{said}<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button></form></main></body></html>"""
    headers = {**SHARED_HEADERS, "Content-Security-Policy": _SIGN_IN_POLICY}
    return Response(body, status_code=401, media_type=MediaType.HTML, headers=headers)


def _refuse(_: AnyRequest, problem: RequestProblem) -> Response[Any]:
    """Ask for a key where one is missing; what else there is to refuse as everywhere."""
    if problem.status in (401, 403):
        return _ask_for_key("")
    return Response(problem.as_details(), status_code=problem.status, media_type=PROBLEM_TYPE)


_HANDLERS: ExceptionHandlersMap = {**PROBLEMS, RequestProblem: _refuse}

ROUTER = Router("/", route_handlers=[show_page, show_file, sign_in, sign_out], exception_handlers=_HANDLERS)
