"""A verdict for the tests of the command line."""

from sluice.schema import LABELS, PolicyRef, Reason, Verdict


def make_verdict(post_id="p-1", decision="allow", **fields):
    given = {
        "scores": dict.fromkeys(LABELS, 0.0),
        "severity": dict.fromkeys(LABELS, 0.0),
        "reasons": (),
        "modalities": {"text": "ok"},
        "policy": PolicyRef("default", 1),
        "models": {"fusion": "1"},
        "latency_ms": {"wait": 1.0, "fetch": 0.0, "extract": 0.5, "encode": 8.0, "fuse": 1.0, "total": 11.0},
        "scored_at": "2026-11-23T10:00:00.000Z",
    } | fields
    return Verdict(post_id=post_id, decision=decision, **given)


def make_reason(label, score, evidence=()):
    return Reason(label, score, 0.5, {"text": score}, evidence)
