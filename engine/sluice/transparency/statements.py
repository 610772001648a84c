"""Statements of reasons (Article 17 DSA) with the fields of the European Commission's Transparency Database.

The fields and their values are those of its API (transparency.dsa.ec.europa.eu/page/api-documentation). A statement
holds neither content nor names: its `puid` is a keyed hash, by which only who has the key finds the post again.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

import msgspec

from sluice.human_decision import HumanDecision
from sluice.schema import Verdict

CATEGORIES = {
    "toxicity": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "hate": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "harassment": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "threat": "STATEMENT_CATEGORY_VIOLENCE",
    "violence": "STATEMENT_CATEGORY_VIOLENCE",
    "self_harm": "STATEMENT_CATEGORY_SELF_HARM",
    "weapons": "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    "gambling": "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    "illicit": "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    "spam": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "fraud": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
}
"""Of our labels; the others break the platform's own terms."""
OTHER = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"

KINDS = {"text": "CONTENT_TYPE_TEXT", "image": "CONTENT_TYPE_IMAGE", "audio": "CONTENT_TYPE_AUDIO"}


class Platform(msgspec.Struct, frozen=True):
    """What only the platform knows.

    Attributes
    ----------
    key : bytes
        Of the hash that is each statement's `puid`.
    ground, explanation : str
        Which of its terms the content breaks, and why.
    visibility : str
        What a block does, one of the API's ``DECISION_VISIBILITY_…``.
    """

    key: bytes
    ground: str
    explanation: str
    visibility: str = "DECISION_VISIBILITY_CONTENT_REMOVED"


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement, with the names and values of the API. Lists are separated by ``|`` in a CSV."""

    decision_visibility: tuple[str, ...]
    decision_ground: str
    incompatible_content_ground: str
    incompatible_content_explanation: str
    content_type: tuple[str, ...]
    category: str
    category_addition: tuple[str, ...] = ()
    content_language: str | None = None
    content_date: str
    application_date: str
    decision_facts: str
    source_type: str
    automated_detection: str
    automated_decision: str
    puid: str


def make_statement(verdict: Verdict, decision: HumanDecision | None, platform: Platform) -> Statement | None:
    """The statement on a post that was restricted; None for one that was not, or that people gave back.

    Parameters
    ----------
    decision : HumanDecision or None
        The last that a person decided about it.
    """
    if (decision.decision if decision else verdict.decision) != "block":
        return None
    categories = _categories(verdict)
    decided_at = decision.decided_at if decision and verdict.decision != "block" else None
    created_at = verdict.basis.created_at if verdict.basis else None
    scored_on = _date(verdict.scored_at) or ""
    return Statement(
        decision_visibility=(platform.visibility,),
        decision_ground="DECISION_GROUND_INCOMPATIBLE_CONTENT",
        incompatible_content_ground=platform.ground,
        incompatible_content_explanation=platform.explanation,
        content_type=_kinds(verdict),
        category=categories[0],
        category_addition=categories[1:],
        content_language=_language(verdict),
        content_date=_date(created_at) or scored_on,
        application_date=_date(decided_at) or scored_on,
        decision_facts=_facts(verdict, decision),
        source_type="SOURCE_VOLUNTARY",
        automated_detection="Yes",
        automated_decision="AUTOMATED_DECISION_FULLY" if decision is None else "AUTOMATED_DECISION_PARTIALLY",
        puid=name_statement(verdict, platform.key),
    )


def _kinds(verdict: Verdict) -> tuple[str, ...]:
    names = (part.partition(":")[0] for part in verdict.modalities)
    return tuple(dict.fromkeys(KINDS.get(name, "CONTENT_TYPE_OTHER") for name in names))


def _date(text: str | None) -> str | None:
    """The day of a time (RFC 3339); None for what is none: publishers and people may write anything there."""
    try:
        return msgspec.convert(text, datetime).date().isoformat()
    except msgspec.ValidationError:
        return None


def name_statement(verdict: Verdict, key: bytes) -> str:
    """The statement's name: the same for the same post, and nobody without the key finds the post by it."""
    return hmac.new(key, f"{verdict.tenant or ''}\0{verdict.post_id}".encode(), hashlib.sha256).hexdigest()


def _categories(verdict: Verdict) -> tuple[str, ...]:
    """By the labels that were over their thresholds, the highest score first."""
    ranked = sorted(verdict.reasons, key=lambda reason: -reason.score)
    return tuple(dict.fromkeys(CATEGORIES.get(reason.label, OTHER) for reason in ranked)) or (OTHER,)


def _language(verdict: Verdict) -> str | None:
    """Two letters, as ISO 639-1 has them; other codes the API does not take."""
    code = verdict.language.code.partition("-")[0] if verdict.language else ""
    return code.upper() if len(code) == 2 else None


def _facts(verdict: Verdict, decision: HumanDecision | None) -> str:
    labels = ", ".join(f"{reason.label} {reason.score:.2f} (from {reason.threshold:.2f})" for reason in verdict.reasons)
    rules = ", ".join(rule.rule for rule in verdict.rules if rule.failed is None)
    who = "A person decided after a look at it." if decision else "No person was involved."
    found = "; ".join(part for part in (labels and f"scores: {labels}", rules and f"rules: {rules}") if part)
    policy = f"policy {verdict.policy.name} {verdict.policy.version}"
    return f"Automated analysis of the content by {policy} found {found or 'it to be restricted'}. {who}"
