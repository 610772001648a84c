"""Statements of reasons: when there is one, and what is in it."""

from __future__ import annotations

import pytest

from sluice.human_decision import HumanDecision
from sluice.schema import Basis, DetectedLanguage, Reason
from sluice.transparency.statements import Platform, make_statement
from tests.engine.audit.verdicts import make_verdict

PLATFORM = Platform(b"secret", "Rules, section 3", "It is not allowed.")


def person(decision: str) -> HumanDecision:
    return HumanDecision(post_id="p", decision=decision, decided_at="2026-11-30T09:00:00Z")


@pytest.mark.parametrize(
    ("verdict", "people", "automated"),
    [
        ("block", None, "AUTOMATED_DECISION_FULLY"),
        ("block", "block", "AUTOMATED_DECISION_PARTIALLY"),
        ("review", "block", "AUTOMATED_DECISION_PARTIALLY"),
        ("block", "allow", None),
        ("review", None, None),
        ("allow", None, None),
    ],
)
def test_only_what_is_restricted_has_one(verdict: str, people: str | None, automated: str | None) -> None:
    made = make_statement(make_verdict("p", decision=verdict), person(people) if people else None, PLATFORM)
    assert (made.automated_decision if made else None) == automated


def test_what_is_in_it() -> None:
    reasons = (Reason("profanity", 0.7, 0.6, {}), Reason("self_harm", 0.9, 0.5, {}))
    verdict = make_verdict(
        "p", decision="block", reasons=reasons, modalities={"text": "ok", "image:0": "ok", "image:1": "ok"},
        language=DetectedLanguage("de", 0.9), basis=Basis(created_at="2026-11-27T23:00:00Z"),
    )  # fmt: skip
    made = make_statement(verdict, None, PLATFORM)
    assert made is not None
    assert (made.category, made.category_addition) == (
        "STATEMENT_CATEGORY_SELF_HARM", ("STATEMENT_CATEGORY_OTHER_VIOLATION_TC",)
    )  # fmt: skip
    assert made.content_type == ("CONTENT_TYPE_TEXT", "CONTENT_TYPE_IMAGE")
    assert (made.content_language, made.content_date, made.application_date) == ("DE", "2026-11-27", "2026-11-28")
    assert made.incompatible_content_ground == "Rules, section 3"
    assert "self_harm 0.90 (from 0.50)" in made.decision_facts


def test_it_names_nobody() -> None:
    verdict = make_verdict("post-7", decision="block")
    made = make_statement(verdict, person("block"), PLATFORM)
    assert not any(word in repr(made) for word in ("post-7", "u-secret"))
    again, other = (make_statement(verdict, None, Platform(key, "a", "b")) for key in (b"secret", b"another"))
    assert made.puid == again.puid != other.puid
    assert len(made.puid) <= 500
    assert made.puid.isalnum()


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "1764324000", "yesterday by Anna", None])
def test_what_is_no_time_is_in_no_date(text: str | None) -> None:
    told = HumanDecision(post_id="p", decision="block", decided_at=text)
    made = make_statement(make_verdict("p", basis=Basis(created_at=text)), told, PLATFORM)
    assert made is not None
    assert (made.content_date, made.application_date) == ("2026-11-28", "2026-11-28")


def test_a_part_of_a_kind_to_come_is_named_so() -> None:
    made = make_statement(make_verdict("p", decision="block", modalities={"video:0": "ok"}), None, PLATFORM)
    assert made is not None
    assert made.content_type == ("CONTENT_TYPE_OTHER",)
