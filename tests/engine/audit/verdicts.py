"""Verdicts for the tests of the log, of what is explained and of what is erased."""

from __future__ import annotations

from confluent_kafka import Producer

from sluice.config import KafkaConfig
from sluice.schema import LABELS, Basis, PolicyRef, Reason, RuleReason, TextEvidence, Verdict, encode


def make_verdict(post_id: str, author: str | None = "u-secret", **fields) -> Verdict:
    """A post that a threshold and a rule sent to review."""
    told = {
        "post_id": post_id,
        "author_id": author,
        "decision": "review",
        "scores": {**dict.fromkeys(LABELS, 0.01), "hate": 0.7},
        "severity": dict.fromkeys(LABELS, 0.1),
        "reasons": (Reason("hate", 0.7, 0.6, {"text": 0.69}, (TextEvidence(4, 9),)),),
        "modalities": {"text": "ok"},
        "policy": PolicyRef("shop", 3, "ab" * 32),
        "models": {"fusion": "7", "text_encoder": "7"},
        "latency_ms": {"wait": 1.0, "encode": 5.0, "total": 8.0},
        "scored_at": "2026-11-28T10:00:00.000Z",
        "tenant": "shop",
        "rules": (RuleReason(rule="watched", queue="hot", inputs={"author_id": author or "", "scores.hate": 0.7}),),
        "basis": Basis(text_chars=12, author_standing="new"),
    }
    return Verdict(**{**told, **fields})


def publish(kafka: KafkaConfig, *verdicts: Verdict, topic: str | None = None, partition: int = 0) -> None:
    producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
    for verdict in verdicts:
        producer.produce(topic or kafka.topics.verdicts, encode(verdict), verdict.post_id.encode(), partition)
    assert producer.flush(20) == 0
