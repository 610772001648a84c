"""The document of the topics, against the messages that go through them."""

from __future__ import annotations

import json
from typing import Any

import fastavro
import msgspec
import pytest
from jsonschema import Draft202012Validator

from sluice.api.perspective import SuggestRequest, TextEntry
from sluice.asyncapi import describe_topics
from sluice.audit.records import Line
from sluice.client.reports import Report
from sluice.config import Topics
from sluice.history.erasures import Erasure, Forgotten
from sluice.human_decision import HumanDecision
from sluice.kafka import DEAD_LETTER_HEADERS
from sluice.schema import Media, Post, encode
from sluice.stream.dead_letters import Message, shorter_letters
from tests.engine.cli.verdicts import make_reason, make_verdict

TOPICS = Topics(
    "in", "out", "look", "dead", "rules", "told", "beside", decisions="said", reports="complaints", posts_high="first",
    erasures="gone", audit="kept",
)  # fmt: skip
DOCUMENT: Any = json.loads(json.dumps(describe_topics(TOPICS, "1.2.3")))


def find(reference: str) -> Any:
    """What a reference in the document stands for; fails if it leads nowhere."""
    found = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def list_references(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [one for value in node.values() for one in list_references(value)]
    return [one for value in node for one in list_references(value)] if isinstance(node, list) else []


def validate(message: str, value: Any) -> None:
    payload = find(f"#/components/messages/{message}/payload")
    Draft202012Validator({**payload, "components": DOCUMENT["components"]}).validate(value)


def test_every_topic_is_there_with_who_writes_it() -> None:
    actions = {find(one["channel"]["$ref"])["address"]: one["action"] for one in DOCUMENT["operations"].values()}
    received = ("in", "first", "complaints", "gone")
    sent = ("out", "look", "dead", "told", "said", "beside", "kept")
    assert actions == dict.fromkeys(received, "receive") | dict.fromkeys(sent, "send")


def test_every_reference_leads_somewhere() -> None:
    references = list_references(DOCUMENT)
    assert len(references) > 10
    for reference in references:
        assert find(reference)


@pytest.mark.parametrize("post", [Post(id="p", text="hi"), Post(id="p", images=(Media("https://e.org/a.png"),))])
def test_a_post_is_as_it_says(post: Post) -> None:
    validate("post", json.loads(encode(post)))
    with pytest.raises(Exception, match="id"):
        validate("post", {"text": "hi"})


def test_a_verdict_is_as_it_says() -> None:
    verdict = json.loads(encode(make_verdict(decision="block", reasons=(make_reason("threat", 0.97),))))
    validate("verdict", verdict)
    with pytest.raises(Exception, match="maybe"):
        validate("verdict", {**verdict, "decision": "maybe"})


def test_a_dead_letter_has_the_headers_that_it_says() -> None:
    schema = find("#/components/messages/deadLetter/headers")
    assert set(DEAD_LETTER_HEADERS) <= set(schema["properties"])
    for letter in shorter_letters(Message(b"k", b"{", [("trace", b"1")], None, "in/0/1"), "not_json", "line 1"):
        Draft202012Validator(schema).validate({name: (value or b"").decode() for name, value in letter.headers})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report", Report(author_id="u-9", tenant="shop", reporter_id="u-4", post_id="p-1", reason="spam")),
        ("humanDecision", HumanDecision(post_id="p-1", decision="allow")),
        ("erasure", Erasure(id="e", until_ms=5, names=("0" * 16, "a" * 34))),
        ("line", Line("0" * 64, msgspec.Raw(b"{}"))),
        ("forgotten", Forgotten(id="e", by="host/1", group="sluice", n_erased=3, n_left=0)),
    ],
)
def test_a_plain_message_is_as_it_says(name: str, message: msgspec.Struct) -> None:
    raw = json.loads(msgspec.json.encode(message))
    validate(name, raw)
    required = next(iter(find(find(f"#/components/messages/{name}/payload")["$ref"])["required"]))
    with pytest.raises(Exception, match=required):
        validate(name, {field: value for field, value in raw.items() if field != required})


def test_every_form_of_a_message_is_there_with_its_header_and_schema() -> None:
    for channel, name in {"posts": "post", "verdicts": "verdict", "reviews": "verdict"}.items():
        assert set(DOCUMENT["channels"][channel]["messages"]) == {name, f"{name}Avro", f"{name}Protobuf"}
    avro, protobuf = (find(f"#/components/messages/verdict{form}") for form in ("Avro", "Protobuf"))
    assert avro["headers"]["properties"]["content-type"]["const"] == avro["contentType"] == "application/avro"
    parsed: Any = fastavro.parse_schema(avro["payload"]["schema"])
    assert parsed["name"] == "sluice.v1.Verdict"
    assert "message Verdict {" in protobuf["payload"]["schema"]


def test_a_suggestion_is_as_it_says() -> None:
    suggestion = SuggestRequest(comment=TextEntry("hi"), attribute_scores={"TOXICITY": {}})
    validate("suggestion", json.loads(msgspec.json.encode(suggestion)))
    with pytest.raises(Exception, match="attributeScores"):
        validate("suggestion", {"comment": {"text": "hi"}})
