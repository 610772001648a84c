"""What is asked for over HTTP as arguments of our own commands, which know each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from sluice.ages import parse_age
from sluice.backtest.guards import parse_guard
from sluice.cli import app
from sluice.errors import InvalidPost, PolicyError
from sluice.jobs.order import Order, OrderRefused
from sluice.jobs.requests import REQUESTS, Age, Guards, Places

PLACES = Places(("s3://bucket/log", "/var/log/second"), Path("/etc/puid.key"), "triton:8001")
POLICY = "name: new\nversion: 2\nextends: default\nlabels: {threat: {review: 0.2}}\n"
OF_SHOP = POLICY.replace("name: new", "tenant: shop")
BODIES: dict[str, list[dict[str, Any]]] = {
    "backtest": [
        {"policies": [POLICY], "since": "12h", "guards": ["review=+1%", "changed=2.5%"]},
        {"policies": [POLICY], "rescore": True, "posts": [{"id": "p-1", "text": "Hello"}]},
    ],
    "shadow": [
        {"policies": [POLICY], "for": "10m", "since": "1h", "guards": ["block=-5%"]},
        {"verdicts_topic": "candidate.verdicts", "for": "1s"},
    ],
    "drift": [{}, {"last": "1d", "against": "2w", "limit": 0.25}],
    "decision-report": [{}, {"since": "1w", "limit": 0.1}],
    "label-export": [{"overruled": True}],
    "calibration": [{}, {"policy": POLICY, "name": "mine", "version": 3, "review_risk": 0.1, "block_risk": 0.01}],
    "audit-check": [
        {},
        {"topic": True},
        {"log": 2, "against": [{"topic": "t", "partition": 0, "offset": 3, "hash": "ab"}]},
    ],
    "audit-status": [{}, {"log": 1}],
    "erasure": [
        {"author": "u-9", "tenant": "shop", "topics": ["more.verdicts"], "confirm": True},
        {"post": "p/1", "preview": True},
    ],
    "transparency-export": [
        {},
        {"calibration": {"labels": []}},
        {"format": "csv", "ground": "Rules, section 3", "explanation": "It is not allowed."},
    ],
}


def order_of(kind: str, body: dict[str, Any], places: Places = PLACES) -> Order:
    request = msgspec.convert(body, REQUESTS[kind])  # type: ignore[index]
    request.check()
    return request.order(places)


def parse(order: Order, folder: Path) -> dict[str, Any]:
    """What the command understands; it refuses what it does not know."""
    command: Any = typer.main.get_command(app)
    for name in order.command:
        command = command.commands[name]
    params: dict[str, Any] = command.make_context("job", order.arguments(folder)[len(order.command) :]).params
    return params


def test_every_kind_can_be_asked_for() -> None:
    assert set(REQUESTS) == set(BODIES)


@pytest.mark.parametrize(("kind", "body"), [(kind, body) for kind, bodies in BODIES.items() for body in bodies])
def test_the_command_knows_every_option(kind: str, body: dict[str, Any], tmp_path: Path) -> None:
    order = order_of(kind, body)
    assert order.kind == kind
    params = parse(order, tmp_path)
    order.write_inputs(tmp_path)
    given = {"for": "last", "guards": "guard", "topics": "topic", "verdicts_topic": "verdicts_topic"}
    for name, value in body.items():
        if name in ("policies", "policy", "against", "log", "confirm", "format", "posts", "calibration"):
            continue
        assert list(params[given.get(name, name)]) == value if isinstance(value, list) else True
        assert params[given.get(name, name)] == value or isinstance(value, list), name
    named = [params[name] for name in ("policy", "out") if params.get(name)]
    assert all(tmp_path in path.parents for path in named)
    assert params.get("kafka") is None, "the environment says where Kafka is"


def test_files_are_the_servers_own_or_of_the_job(tmp_path: Path) -> None:
    erased = parse(order_of("erasure", {"author": "u-9", "confirm": True}), tmp_path)
    assert (list(erased["audit"]), erased["yes"], erased["preview"]) == (list(PLACES.audit_logs), True, False)
    assert parse(order_of("audit-check", {"log": 2}), tmp_path)["where"] == "/var/log/second"
    order = order_of("audit-check", BODIES["audit-check"][2])
    order.write_inputs(tmp_path)
    assert parse(order, tmp_path)["against"] == tmp_path / "against.json"
    assert msgspec.json.decode((tmp_path / "against.json").read_bytes()) == BODIES["audit-check"][2]["against"]
    export = order_of("transparency-export", {"format": "jsonl"})
    params = parse(export, tmp_path)
    assert (params["key_file"], params["out"], export.file) == (
        PLACES.puid_key, tmp_path / "statements.jsonl", "statements.jsonl",
    )  # fmt: skip
    tried = order_of("backtest", {"policies": [POLICY, OF_SHOP]})
    tried.write_inputs(tmp_path)
    assert sorted(file.read_text() for file in parse(tried, tmp_path)["policy"].iterdir()) == sorted([POLICY, OF_SHOP])


def test_posts_are_scored_anew_where_the_server_scores(tmp_path: Path) -> None:
    post = {"id": "p-1", "text": "Hello\nyou", "images": [{"uri": "https://example.org/a.png"}]}
    order = order_of("backtest", {"policies": [POLICY], "rescore": True, "posts": [post]})
    order.write_inputs(tmp_path)
    params = parse(order, tmp_path)
    assert (params["rescore"], params["triton"]) == (True, "triton:8001")
    assert msgspec.json.decode(Path(params["posts"]).read_bytes()) == post
    order.remove_inputs(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_post_without_parts_is_refused() -> None:
    with pytest.raises(InvalidPost):
        order_of("backtest", {"policies": [POLICY], "posts": [{"id": "p-1"}]})


@pytest.mark.parametrize("author", ["--yes", "-h", "--topic=x", "a b", "a\nb", "\N{ZERO WIDTH JOINER}x", "$(id)"])
def test_no_value_becomes_an_option(author: str, tmp_path: Path) -> None:
    params = parse(order_of("erasure", {"author": author, "preview": True}), tmp_path)
    assert (params["author"], list(params["topic"] or ()), params["yes"]) == (author, [], False)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("shadow", {"for": "1h"}, "give either policies, or the verdicts_topic"),
        ("shadow", {"for": "1h", "policies": [POLICY], "verdicts_topic": "t"}, "give either policies"),
        ("shadow", {"for": "25h", "policies": [POLICY]}, "for: 24h at most"),
        ("backtest", {"policies": []}, "policies: at least one"),
        ("backtest", {"policies": [POLICY], "rescore": True}, "rescore: give the posts"),
        ("erasure", {}, "give either author or post"),
        ("erasure", {"author": "a", "post": "b", "confirm": True}, "give either author or post"),
        ("erasure", {"author": "a"}, "give either preview, or confirm"),
        ("erasure", {"author": "a", "preview": True, "confirm": True}, "give either preview, or confirm"),
        ("erasure", {"author": "a\0b", "confirm": True}, "author: it holds a NUL"),
        ("audit-status", {"log": 3}, "log: this server knows 2 audit logs"),
        ("audit-check", {"log": 3}, "log: this server knows 2 audit logs"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(OrderRefused, match=said):
        order_of(kind, body)


def test_statements_need_the_servers_secret() -> None:
    with pytest.raises(OrderRefused, match="--puid-key"):
        order_of("transparency-export", {"format": "csv"}, Places())
    assert order_of("transparency-export", {}, Places()).file == ""


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("backtest", {"policies": [POLICY.replace("threat", "thread")]}, r"policies\[0\]:4: unknown label 'thread'"),
        ("shadow", {"for": "1h", "policies": [POLICY, POLICY]}, "new"),
        ("calibration", {"policy": "name: [\n"}, "policy"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(kind: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        order_of(kind, body)


@pytest.mark.parametrize(
    "body", [{"policy": "/etc/passwd"}, {"out": "x"}, {"policies": "x"}, {"policies": [POLICY], "since": "7x"}]
)
def test_nothing_else_may_be_said(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, REQUESTS["backtest"])


@pytest.mark.parametrize("text", ["7d", "30m", "999999s", "7x", "d", "", "7 d", "1234567d", "٣d"])
def test_ages_are_those_of_the_commands(text: str) -> None:
    assert accepts(text, Age) == is_read(parse_age, text)


@pytest.mark.parametrize(
    "text", ["review=+1%", "block=-5%", "changed=2.5%", "allow=0%", "reviews=1%", "review=1", "review=+%"]
)
def test_guards_are_those_of_the_command(text: str) -> None:
    assert accepts([text], Guards) == is_read(parse_guard, text)


def accepts(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def is_read(read: Any, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True
