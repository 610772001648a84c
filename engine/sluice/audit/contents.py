"""What of a message goes into the public part of a record, and what into the private one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from sluice.audit.records import Kind
from sluice.config import Topics
from sluice.errors import SettingsError
from sluice.formats import Headers, decode_verdict
from sluice.human_decision import DecisionError, read_decision
from sluice.schema import Verdict

Parts = tuple[Kind, dict[str, Any], dict[str, Any]]
"""Kind, public, private."""

Read = Callable[[bytes | None, bytes | None, Headers], Parts]

_PUBLIC = (
    "decision", "scores", "severity", "modalities", "policy", "models", "language", "urgency", "cached", "latency_ms",
    "scored_at", "surface", "tenant", "queue", "tags",
)  # fmt: skip
"""What of a verdict says nothing of a person; what is not named here or below is private, new fields included."""
_PUBLIC_BASIS = ("pictured", "all_scored", "all_understood", "text_chars", "n_images", "n_clips")
_PUBLIC_MATCH = ("list", "bank", "kind", "action", "distance")
_PRIVATE_RULE = ("inputs", "failed")  # an error quotes what the rule looked at
_PUBLIC_DECISION = ("decision", "labels", "occasion", "tenant")


def reader_of(topic: str, topics: Topics) -> Read:
    """How messages of a topic are read; those of one that is not known, as verdicts."""
    return {topics.policies: _read_policy, topics.decisions: _read_decision}.get(topic, _read_verdict)


def _read_verdict(key: bytes | None, value: bytes | None, headers: Headers) -> Parts:
    try:
        return "verdict", *split_verdict(decode_verdict(value, headers))
    except (msgspec.DecodeError, SettingsError):
        return _unread(key, value)


def split_verdict(verdict: Verdict) -> tuple[dict[str, Any], dict[str, Any]]:
    """Public and private part of a verdict.

    Private is who and what: ids, places in the text, and every word that a rule looked at or a list found. Scores,
    thresholds and the numbers that rules looked at are public.
    """
    told = msgspec.to_builtins(verdict)
    public: dict[str, Any] = {name: told.pop(name) for name in _PUBLIC}
    public["basis"] = told["basis"] and _take(told["basis"], lambda name, _: name in _PUBLIC_BASIS)
    public["reasons"] = [_take(reason, lambda name, _: name != "evidence") for reason in told["reasons"]]
    public["rules"] = [_take(rule, lambda name, _: name not in _PRIVATE_RULE) for rule in told["rules"]]
    for open_rule, rule in zip(public["rules"], told["rules"], strict=True):
        open_rule["inputs"] = _take(rule["inputs"], lambda _, value: isinstance(value, int | float))
    for name in ("lists", "hashes"):
        public[name] = [_take(match, lambda name, _: name in _PUBLIC_MATCH) for match in told[name]]
    return public, told


def _take(fields: dict[str, Any], wanted: Callable[[str, Any], bool]) -> dict[str, Any]:
    """Take some fields out of others."""
    return {name: fields.pop(name) for name in list(fields) if wanted(name, fields[name])}


def join_verdict(public: dict[str, Any], private: dict[str, Any]) -> dict[str, Any]:
    """What `split_verdict` took apart."""
    return {name: _join(public.get(name), private.get(name)) for name in {**public, **private}}


def _join(one: Any, other: Any) -> Any:
    """Objects by their names, lists place by place."""
    if isinstance(one, dict) and isinstance(other, dict):
        return join_verdict(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return [_join(*pair) for pair in zip(one, other, strict=True)]
    return one if other is None else other


def _read_decision(key: bytes | None, value: bytes | None, _: Headers) -> Parts:
    """A person's decision. Who made it, about which post and when, in words that anybody may choose, is private."""
    try:
        told = msgspec.to_builtins(read_decision(value))
    except DecisionError:
        return _unread(key, value)
    return "decision", _take(told, lambda name, _: name in _PUBLIC_DECISION), told


def _read_policy(key: bytes | None, value: bytes | None, _: Headers) -> Parts:
    """By its hash: the document may name authors, and the topic has it."""
    name = None if key is None else key.decode("utf-8", "replace")
    return "policy", {"name": name, "n_bytes": len(value or b""), "sha256": _sha256(value)}, {}


def _unread(key: bytes | None, value: bytes | None) -> Parts:
    """Not what it should be: that it was there, and nothing of it."""
    return "unread", {"n_bytes": len(value or b"")}, {"key": key.decode("utf-8", "replace")} if key else {}


def _sha256(value: bytes | None) -> str | None:
    return None if value is None else hashlib.sha256(value).hexdigest()
