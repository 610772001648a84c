"""Perspective's requests as its documentation shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.api.perspective import MAX_COMMENT_BYTES, MAX_SPANS, find_spans
from sluice.api.perspective_attributes import SCORES, UNSUPPORTED
from sluice.schema import LABELS
from tests.engine.api.conftest import FakeScorer, key_entry, serving
from tests.engine.cli.verdicts import make_verdict

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"


def body(text: str, *attributes: str, **more: Any) -> dict[str, Any]:
    return {"comment": {"text": text}, "requestedAttributes": {name: {} for name in attributes or ["TOXICITY"]}, **more}


def test_a_comment_gets_the_attributes_it_asked_for(client: httpx.Client) -> None:
    answer = client.post(ANALYZE, json=body("a nasty menace", "TOXICITY", "THREAT", "INSULT", clientToken="mine"))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["attributeScores"]["TOXICITY"]["summaryScore"] == {"value": 0.9, "type": "PROBABILITY"}
    assert said["attributeScores"]["INSULT"]["summaryScore"]["value"] == 0.01
    assert set(said["attributeScores"]) == {"TOXICITY", "THREAT", "INSULT"}
    assert (said["languages"], said["detectedLanguages"], said["clientToken"]) == (["en"], ["en"], "mine")


def test_scores_are_those_of_all_models(client: httpx.Client, scorer: FakeScorer) -> None:
    client.post(ANALYZE, json=body("Hello there."))
    assert scorer.in_full == [True]


def test_the_whole_comment_is_one_span_by_default(client: httpx.Client, scorer: FakeScorer) -> None:
    said = client.post(ANALYZE, json=body("Hello there. You are nasty!")).json()
    (span,) = said["attributeScores"]["TOXICITY"]["spanScores"]
    assert (span["begin"], span["end"]) == (0, 27)
    assert len(scorer.posts) == 1


def test_span_annotations_score_each_sentence(client: httpx.Client, scorer: FakeScorer) -> None:
    text = "Hello there. You are nasty!"
    spans = client.post(ANALYZE, json=body(text, spanAnnotations=True)).json()["attributeScores"]["TOXICITY"][
        "spanScores"
    ]
    assert [text[span["begin"] : span["end"]].strip() for span in spans] == ["Hello there.", "You are nasty!"]
    assert [span["score"]["value"] for span in spans] == [0.01, 0.9]
    assert len(scorer.posts) == 3


def test_one_sentence_is_not_scored_twice(client: httpx.Client, scorer: FakeScorer) -> None:
    client.post(ANALYZE, json=body("You are nasty!", spanAnnotations=True))
    assert len(scorer.posts) == 1


def test_spans_cover_the_text_and_are_bounded() -> None:
    text = "One more sentence here. " * 200
    spans = find_spans(text)
    assert len(spans) == MAX_SPANS
    assert [begin for begin, _ in spans[1:]] == [end for _, end in spans[:-1]]
    assert (spans[0][0], spans[-1][1]) == (0, len(text))


def test_a_threshold_leaves_low_scores_out(client: httpx.Client) -> None:
    asked = {"comment": {"text": "hello"}, "requestedAttributes": {"TOXICITY": {"scoreThreshold": 0.5}, "INSULT": {}}}
    assert set(client.post(ANALYZE, json=asked).json()["attributeScores"]) == {"INSULT"}


def test_languages_that_the_caller_names_are_believed(client: httpx.Client) -> None:
    said = client.post(ANALYZE, json=body("thai nasty", languages=["en"])).json()
    assert said["languages"] == ["en"]
    assert said["attributeScores"]["TOXICITY"]["summaryScore"]["value"] == 0.9


def test_a_language_that_is_not_read_is_perspectives_error(client: httpx.Client) -> None:
    answer = client.post(ANALYZE, json=body("thai nasty"))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    (detail,) = error["details"]
    assert detail["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
    assert detail["languageNotSupportedByAttributeError"] == {"detectedLanguages": ["th"], "attribute": "TOXICITY"}
    dropped = client.post(ANALYZE, json=body("thai nasty", dropUnsupportedAttributes=True))
    assert dropped.json()["attributeScores"] == {}


def test_html_is_read_without_its_tags(client: httpx.Client, scorer: FakeScorer) -> None:
    asked = {"comment": {"text": "<p>na&amp;<b>sty</b></p>", "type": "HTML"}, "requestedAttributes": {"TOXICITY": {}}}
    client.post(ANALYZE, json=asked)
    assert scorer.posts[0].text == "na&sty"


@pytest.mark.parametrize(
    ("asked", "message", "error_type"),
    [
        (body(""), "non-empty", "COMMENT_EMPTY"),
        (body(" \n"), "non-empty", "COMMENT_EMPTY"),
        (body("a" * (MAX_COMMENT_BYTES + 1)), "over 20480 bytes", "COMMENT_TOO_LONG"),
        (body("字" * 7000), "over 20480 bytes", "COMMENT_TOO_LONG"),
        (body("a", "FLIRTATION"), "FLIRTATION is not supported", None),
        (body("a", "WISDOM"), "WISDOM is unknown", None),
        ({"comment": {"text": "a"}, "requestedAttributes": {}}, "names no attribute", None),
        ({"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {"scoreType": "RAW"}}}, "scoreType RAW", None),
        ({"comment": {"text": "a"}}, "requestedAttributes", None),
        ({"comment": {"text": 1}, "requestedAttributes": {}}, "text", None),
    ],
)
def test_a_wrong_request_is_googles_invalid_argument(
    client: httpx.Client, asked: dict[str, Any], message: str, error_type: str | None
) -> None:
    answer = client.post(ANALYZE, json=asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert message in error["message"]
    assert [detail["errorType"] for detail in error.get("details", [])] == ([error_type] if error_type else [])


def test_attributes_that_no_label_says_may_be_dropped(client: httpx.Client) -> None:
    asked = body("a", "TOXICITY", "FLIRTATION", dropUnsupportedAttributes=True)
    assert set(client.post(ANALYZE, json=asked).json()["attributeScores"]) == {"TOXICITY"}


def test_an_attribute_is_answered_or_refused_never_both() -> None:
    assert not SCORES.keys() & UNSUPPORTED
    verdict = make_verdict(scores=dict.fromkeys(LABELS, 0.5), severity=dict.fromkeys(LABELS, 0.5))
    assert {name: score(verdict) for name, score in SCORES.items()} == {
        name: 0.25 if name.startswith("SEVERE") else 0.5 for name in SCORES
    }


def test_suggestions_are_refused_where_they_are_not_kept(client: httpx.Client) -> None:
    asked = {"comment": {"text": "a"}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
    answer = client.post(SUGGEST, json=asked)
    assert (answer.status_code, answer.json()["error"]["status"]) == (501, "UNIMPLEMENTED")


def test_suggestions_are_kept_where_the_operator_said_so(scorer: FakeScorer, tmp_path: Path) -> None:
    asked = {
        "comment": {"text": "a"},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
        "clientToken": "mine",
    }
    with serving(scorer, feedback=tmp_path / "kept.jsonl") as address:
        for _ in range(2):
            answer = httpx.post(address + SUGGEST, json=asked)
            assert answer.json() == {"clientToken": "mine"}
        assert httpx.post(address + SUGGEST, json={**asked, "attributeScores": {}}).status_code == 400
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert [line["attributeScores"] for line in kept] == [asked["attributeScores"]] * 2


def test_feedback_needs_its_own_scope(scorer: FakeScorer, tmp_path: Path) -> None:
    with serving(scorer, keys=key_entry(), feedback=tmp_path / "kept") as address:
        answer = httpx.post(f"{address}{SUGGEST}?key=sk-sluice-test", json={})
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
