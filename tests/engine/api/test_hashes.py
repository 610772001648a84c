"""Banks of hashes over HTTP, on an embedded broker."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sluice.config import KafkaConfig
from sluice.watching.hashes import BankDesk, open_desk
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

PDQ, MD5 = "0f" * 32, "cd" * 16


@pytest.fixture
def banks_desk(kafka: KafkaConfig) -> BankDesk:
    return open_desk(kafka, 15.0)


@pytest.fixture
def client(banks_desk: BankDesk) -> Iterator[httpx.Client]:
    with (
        serving(FakeScorer(), keys=key_entry(scopes=("hashes",)), banks_desk=banks_desk) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as opened,
    ):
        yield opened


def test_a_bank_is_pushed_exported_changed_and_removed(client: httpx.Client, banks_desk: BankDesk) -> None:
    pushed = client.put("/v1/hashes/known", content=PDQ, params={"negative": True, "distance": 9, "note": "why"})
    assert (pushed.status_code, pushed.json()["n_entries"], pushed.json()["note"]) == (200, 1, "why")
    assert client.post("/v1/hashes/known/entries", json={"md5": MD5, "owner": "ann"}).json()["n_entries"] == 2
    assert banks_desk.show("known").settings.distance == 9
    exported = client.get("/v1/hashes/known").text.splitlines()
    assert exported == [
        '#bank {"is_negative":true,"distance":9}', "kind,value,id,owner,note", f"pdq,{PDQ},,,", f"md5,{MD5},,ann,",
    ]  # fmt: skip
    exchanged = client.get("/v1/hashes/known", params={"format": "threatexchange"}).json()
    assert [row["type"] for row in exchanged["data"]] == ["HASH_PDQ", "HASH_MD5"]
    assert client.post("/v1/hashes/known/remove", json={"values": [PDQ]}).json()["n_entries"] == 1
    assert [row["name"] for row in client.get("/v1/hashes").json()["banks"]] == ["known"]
    assert client.delete("/v1/hashes/known").json()["n_removed"] == 1
    actions = [change["action"] for change in client.get("/v1/hashes/known/history").json()["changes"]]
    assert actions == ["remove", "take", "add", "push"]


def test_what_is_wrong_is_said(client: httpx.Client) -> None:
    answer = client.put("/v1/hashes/known", content="abc")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_hash")
    assert "known:1: a hash of pdq is 64 hexadecimal digits" in answer.json()["detail"]
    assert client.put("/v1/hashes/known", content=PDQ, params={"distance": 60}).status_code == 400
    for body in (b"", b'{"data": null}', b"[1]"):
        assert client.put("/v1/hashes/known", content=body).status_code == 400
    assert client.get("/v1/hashes/known").status_code == 404
    assert client.delete("/v1/hashes/known").status_code == 404


def test_nobody_sees_or_changes_banks_without_a_key_for_it(banks_desk: BankDesk) -> None:
    for keys, headers, status in (
        (None, {}, 403),
        (key_entry(scopes=("lists",)), {"Authorization": f"Bearer {KEY}"}, 403),
    ):
        with (
            serving(FakeScorer(), keys=keys, banks_desk=banks_desk) as address,
            httpx.Client(base_url=address) as client,
        ):
            assert client.put("/v1/hashes/known", content=PDQ, headers=headers).status_code == status
    assert banks_desk.rows() == []
