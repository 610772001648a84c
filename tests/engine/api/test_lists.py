"""Lists over HTTP, on an embedded broker."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from sluice.config import KafkaConfig
from sluice.watching.lists import ListDesk, open_desk
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

LINES = '{"kind": "word", "value": "clanker"}\n# why\n{"kind": "domain", "value": "bad.example", "owner": "ann"}\n'


@pytest.fixture
def lists_desk(kafka: KafkaConfig) -> ListDesk:
    return open_desk(kafka, 15.0)


@pytest.fixture
def client(lists_desk: ListDesk) -> Iterator[httpx.Client]:
    with (
        serving(FakeScorer(), keys=key_entry(scopes=("lists",)), lists_desk=lists_desk) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as opened,
    ):
        yield opened


def test_a_list_is_pushed_shown_changed_and_removed(client: httpx.Client) -> None:
    pushed = client.put("/v1/lists/mine", content=LINES, params={"note": "why"}).json()
    assert (pushed["version"], pushed["n_entries"], pushed["by"], pushed["note"]) == (1, 2, "test", "why")
    added = client.post("/v1/lists/mine/entries", content='{"kind": "author", "value": "u-1", "action": "allow"}')
    assert (added.status_code, added.json()["n_entries"]) == (200, 3)
    assert client.post("/v1/lists/mine/remove", json={"values": ["clanker"]}).json()["n_entries"] == 2
    shown = [json.loads(line)["value"] for line in client.get("/v1/lists/mine").text.splitlines()]
    assert sorted(shown) == ["bad.example", "u-1"]
    assert [row["name"] for row in client.get("/v1/lists").json()["lists"]] == ["mine"]
    assert client.delete("/v1/lists/mine").json()["n_removed"] == 2
    assert client.get("/v1/lists").json() == {"lists": []}
    changes = client.get("/v1/lists/mine/history").json()["changes"]
    assert [change["action"] for change in changes] == ["remove", "take", "add", "push"]


def test_what_is_wrong_is_said(client: httpx.Client) -> None:
    for body, detail in (
        (b"", "no entry"),
        (b"{", "mine:1: "),
        (b'{"kind": "url", "value": "x"}', "mine:1: it is not a site"),
    ):
        answer = client.put("/v1/lists/mine", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_list")
        assert detail in answer.json()["detail"]
    for path in ("mine", "mine/history"):
        assert client.get(f"/v1/lists/{path}").status_code == 404
    assert client.delete("/v1/lists/mine").status_code == 404
    assert client.post("/v1/lists/mine/remove", json={"values": ["x"]}).status_code == 404


def test_nobody_sees_or_changes_lists_without_a_key_for_it(lists_desk: ListDesk) -> None:
    for keys, headers, status in (
        (None, {}, 403),
        (key_entry(scopes=("lists",)), {}, 401),
        (key_entry(scopes=("policies",)), {"Authorization": f"Bearer {KEY}"}, 403),
    ):
        with (
            serving(FakeScorer(), keys=keys, lists_desk=lists_desk) as address,
            httpx.Client(base_url=address) as client,
        ):
            assert client.put("/v1/lists/mine", content=LINES, headers=headers).status_code == status
            assert client.get("/v1/lists", headers=headers).status_code == status
    assert lists_desk.rows() == []
