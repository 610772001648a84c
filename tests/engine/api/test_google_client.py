"""Google's own client libraries and Perspective's documented requests: changed is the address, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from sluice.api.perspective import MAX_COMMENT_BYTES
from sluice.api.perspective_attributes import SCORES, UNSUPPORTED
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

DOCUMENT = "/$discovery/rest?version=v1alpha1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = key_entry(scopes=("score", "feedback"))
    with serving(FakeScorer(), keys=keys, feedback=tmp_path_factory.mktemp("kept") / "kept.jsonl") as address:
        yield address


@pytest.fixture(scope="module")
def perspective(served: str) -> Iterator[Any]:
    """As Perspective's documentation builds it."""
    with discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=KEY,
        discoveryServiceUrl=served + DOCUMENT,
        static_discovery=False,
    ) as client:
        yield client.comments()


def refused(call: Any) -> dict[str, Any]:
    with pytest.raises(HttpError) as raised:
        call.execute()
    return json.loads(raised.value.content)["error"]


def test_the_documented_example(perspective: Any) -> None:
    said = perspective.analyze(
        body={"comment": {"text": "friendly greetings from python"}, "requestedAttributes": {"TOXICITY": {}}}
    ).execute()
    assert said["attributeScores"]["TOXICITY"]["summaryScore"] == {"value": 0.01, "type": "PROBABILITY"}
    assert said["languages"] == ["en"]


def test_every_attribute_in_one_request_with_every_field(perspective: Any) -> None:
    text = "Hello there. You are nasty and rude!"
    said = perspective.analyze(
        body={
            "comment": {"text": text, "type": "PLAIN_TEXT"},
            "context": {"entries": [{"text": "What do you think?", "type": "PLAIN_TEXT"}]},
            "requestedAttributes": {name: {"scoreType": "PROBABILITY", "scoreThreshold": 0} for name in SCORES},
            "spanAnnotations": True,
            "languages": ["en"],
            "doNotStore": True,
            "clientToken": "token",
            "sessionId": "session",
            "communityId": "community",
        }
    ).execute()
    assert set(said["attributeScores"]) == set(SCORES)
    assert said["clientToken"] == "token"
    for scores in said["attributeScores"].values():
        spans = [text[span["begin"] : span["end"]].strip() for span in scores["spanScores"]]
        assert spans == ["Hello there.", "You are nasty and rude!"]
    values = [span["score"]["value"] for span in said["attributeScores"]["INSULT"]["spanScores"]]
    assert values == [0.01, 0.9]


def test_a_threshold_leaves_low_scores_out(perspective: Any) -> None:
    attributes = {"TOXICITY": {"scoreThreshold": 0.5}, "INSULT": {"scoreThreshold": 0.5}}
    said = perspective.analyze(body={"comment": {"text": "how rude"}, "requestedAttributes": attributes}).execute()
    assert set(said["attributeScores"]) == {"INSULT"}


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_an_attribute_that_no_label_says_is_refused_by_name(perspective: Any, name: str) -> None:
    error = refused(perspective.analyze(body={"comment": {"text": "a"}, "requestedAttributes": {name: {}}}))
    assert error["status"] == "INVALID_ARGUMENT"
    assert f"Attribute {name} is not supported" in error["message"]


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ({"comment": {"text": ""}, "requestedAttributes": {"TOXICITY": {}}}, "COMMENT_EMPTY"),
        (
            {"comment": {"text": "a" * (MAX_COMMENT_BYTES + 1)}, "requestedAttributes": {"TOXICITY": {}}},
            "COMMENT_TOO_LONG",
        ),
        (
            {"comment": {"text": "thai"}, "requestedAttributes": {"TOXICITY": {}}},
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        ),
        ({"comment": {"text": "a"}, "requestedAttributes": {"WISDOM": {}}}, None),
        ({"comment": {"text": "a"}}, None),
        ({}, None),
    ],
)
def test_documented_errors_keep_their_shape(perspective: Any, body: dict[str, Any], error_type: str | None) -> None:
    error = refused(perspective.analyze(body=body))
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert [detail["errorType"] for detail in error.get("details", [])] == ([error_type] if error_type else [])


def test_a_score_is_suggested(perspective: Any) -> None:
    suggestion = {
        "comment": {"text": "hello"},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.2}}},
        "languages": ["en"],
        "communityId": "community",
        "clientToken": "token",
    }
    assert perspective.suggestscore(body=suggestion).execute() == {"clientToken": "token"}


def test_a_wrong_key_reads_not_even_the_document(served: str) -> None:
    with pytest.raises(HttpError) as raised:
        discovery.build(
            "commentanalyzer",
            "v1alpha1",
            developerKey="wrong",
            discoveryServiceUrl=served + DOCUMENT,
            static_discovery=False,
        )
    assert raised.value.resp.status == 401


def test_the_document_is_where_google_serves_such_documents(served: str) -> None:
    get = httpx.Client(base_url=served, params={"key": KEY}).get
    document = get("/discovery/v1/apis/commentanalyzer/v1alpha1/rest").json()
    assert document["rootUrl"] == f"{served}/"
    assert httpx.get(f"{served}/$discovery/rest", params={"version": "v2", "key": KEY}).status_code == 404
    used = {each["$ref"] for each in _references(document)}
    assert used <= document["schemas"].keys()


def _references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        for each in value.values():
            yield from _references(each)
