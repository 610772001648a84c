"""The page's files and headers, and signing in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import httpx
import pytest

from sluice.api.keys import KeyEntry, hash_key
from sluice.api.page import MEDIA_TYPES
from sluice.schema import LABELS
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

FOLDER = files("sluice.api") / "static"
NAMES = sorted(entry.name for entry in FOLDER.iterdir())
SINKS = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc"


@pytest.fixture
def guarded(scorer: FakeScorer) -> Iterator[httpx.Client]:
    """A server that wants a key."""
    with serving(scorer, keys=key_entry()) as address, httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


def sign_in(client: httpx.Client, key: str = KEY) -> httpx.Response:
    return client.post("/", data={"key": key})


def test_every_file_is_served_as_what_it_is_and_may_run_nothing_else(client: httpx.Client) -> None:
    for path in ("/", *(f"/page/{name}" for name in NAMES)):
        answer = client.get(path)
        assert answer.status_code == 200
        suffix = path[path.rindex(".") :] if "." in path else ".html"
        assert answer.headers["content-type"].partition(";")[0] == MEDIA_TYPES[suffix]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_loads_its_own_files_alone(client: httpx.Client) -> None:
    page = client.get("/").text
    assert "<script>" not in page
    assert not re.search(r"\s(on[a-z]+|style)=", page)
    for address in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert client.get(f"/{address}").status_code == 200, address


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_no_script_turns_text_into_markup_or_code(name: str) -> None:
    source = (FOLDER / name).read_text("utf-8")
    assert not re.search(SINKS, source)
    assert len(source.splitlines()) <= 350


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpage.py", "%2e%2e/page.py", ".."])
def test_another_file_is_not_there(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/page/{name}")
    assert answer.status_code in (200, 404)
    assert b"from __future__" not in answer.content


def test_the_policy_names_every_label(client: httpx.Client) -> None:
    policy = client.get("/v1/policy").json()
    assert (policy["name"], policy["version"]) == ("test", 1)
    assert list(policy["labels"]) == list(LABELS)
    assert policy["labels"]["hate"] == {"review": 0.5, "block": None, "image": None, "as": None}


def test_without_a_key_there_is_a_form_and_nothing_else(guarded: httpx.Client) -> None:
    paths = ["/", "/v1/policy", *(f"/page/{name}" for name in NAMES)]
    assert {guarded.get(path).status_code for path in paths} == {401}
    assert guarded.post("/sign-out").status_code == 401
    page = guarded.get("/")
    assert 'type="password"' in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("key", ["", "wrong", KEY + " "])
def test_a_wrong_key_signs_nobody_in(guarded: httpx.Client, key: str) -> None:
    answer = sign_in(guarded, key)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert KEY not in answer.text


def test_a_key_that_may_not_score_signs_nobody_in(scorer: FakeScorer) -> None:
    with serving(scorer, keys=key_entry(scopes=("metrics",))) as address:
        answer = httpx.post(address, data={"key": KEY})
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        assert httpx.get(address, headers={"Authorization": f"Bearer {KEY}"}).status_code == 401


def test_signed_in_one_may_score_until_one_signs_out(guarded: httpx.Client) -> None:
    answer = sign_in(guarded)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax"} <= set(cookie.split("; "))
    assert 'data-keys="true"' in guarded.get("/").text
    assert guarded.get("/page/main.js").status_code == 200
    assert guarded.post("/v1/posts", json={"text": "a"}).status_code == 200
    assert guarded.post("/sign-out").status_code == 303
    assert guarded.get("/").status_code == 401


def test_any_key_fits_into_a_cookie(scorer: FakeScorer) -> None:
    key = 'ü; "x"=%41,\\'
    with serving(scorer, keys={"odd": KeyEntry(hash_key(key))}) as address, httpx.Client(base_url=address) as client:
        assert sign_in(client, key).status_code == 303
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Origin": "https://elsewhere.example"}, 401),
        ({"Origin": "null"}, 401),
        ({}, 200),
    ],
)
def test_what_another_site_makes_a_browser_send_does_not_count(
    guarded: httpx.Client, headers: dict[str, str], status: int
) -> None:
    sign_in(guarded)
    assert guarded.post("/v1/posts:upload", files={"images": b"x"}, headers=headers).status_code == status


def test_behind_tls_the_cookie_stays_there(guarded: httpx.Client) -> None:
    answer = guarded.post("/", data={"key": KEY}, headers={"X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower().split("; ")


def test_where_no_keys_are_set_signing_in_changes_nothing(client: httpx.Client) -> None:
    answer = sign_in(client)
    assert (answer.status_code, "set-cookie" in answer.headers) == (303, False)
    assert 'data-keys="false"' in client.get("/").text
