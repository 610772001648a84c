"""What of a message goes into the public part of a record, and what into the private one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sluice.audit.records import Kind
from sluice.config import Topics
from sluice.errors import SettingsError
from sluice.formats import decode_verdict
from sluice.schema import Verdict

Headers = Sequence[tuple[str, bytes | None]]
Parts = tuple[Kind, dict[str, Any], dict[str, Any]]
"""Kind, public, private."""

Read = Callable[[bytes | None, bytes | None, Headers], Parts]

_PERSONAL = ("post_id", "author_id")
_PERSONAL_BASIS = ("author_standing", "created_at", "author")
_PERSONAL_DECISION = ("post_id", "decided_by", "note", "author_id")


def reader_of(topic: str, topics: Topics) -> Read:
    """How messages of a topic are read; those of one that is not known, as verdicts."""
    return {topics.policies: _read_policy, topics.decisions: _read_decision}.get(topic, _read_verdict)


def _read_verdict(key: bytes | None, value: bytes | None, headers: Headers) -> Parts:
    try:
        return "verdict", *split_verdict(decode_verdict(value, headers))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, SettingsError):
        return _unread(key, value)


def split_verdict(verdict: Verdict) -> tuple[dict[str, Any], dict[str, Any]]:
    """Public and private part of a verdict.

    Private is who and what: ids, places in the text, and every word that a rule looked at. Scores, thresholds and
    numbers that rules looked at stay public.
    """
    public = dict(msgspec.to_builtins(verdict))
    private: dict[str, Any] = {name: public.pop(name) for name in _PERSONAL}
    private["evidence"] = [reason.pop("evidence") for reason in public["reasons"]]
    private["inputs"] = [_take_words(rule["inputs"]) for rule in public["rules"]]
    basis = public.get("basis") or {}
    private["basis"] = {name: basis.pop(name) for name in _PERSONAL_BASIS if name in basis}
    return public, private


def _take_words(inputs: dict[str, Any]) -> dict[str, Any]:
    """Take what is no number out of a rule's inputs."""
    return {name: inputs.pop(name) for name in list(inputs) if not isinstance(inputs[name], int | float)}


def join_verdict(public: dict[str, Any], private: dict[str, Any]) -> dict[str, Any]:
    """What `split_verdict` took apart."""
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(public))
    for reason, evidence in zip(whole["reasons"], private["evidence"], strict=True):
        reason["evidence"] = evidence
    for rule, words in zip(whole["rules"], private["inputs"], strict=True):
        rule["inputs"] |= words
    if whole.get("basis") is not None:
        whole["basis"] |= private["basis"]
    return {**whole, **{name: private[name] for name in _PERSONAL}}


def _read_decision(key: bytes | None, value: bytes | None, _: Headers) -> Parts:
    """A person's decision: who made it is private."""
    try:
        public = msgspec.json.decode(value or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _unread(key, value)
    return "decision", public, {name: public.pop(name) for name in _PERSONAL_DECISION if name in public}


def _read_policy(key: bytes | None, value: bytes | None, _: Headers) -> Parts:
    """By its hash: the document may name authors, and the topic has it."""
    name = None if key is None else key.decode("utf-8", "replace")
    return "policy", {"name": name, "n_bytes": len(value or b""), "sha256": _sha256(value)}, {}


def _unread(key: bytes | None, value: bytes | None) -> Parts:
    """Not what it should be: that it was there, and nothing of it."""
    return "unread", {"n_bytes": len(value or b"")}, {"key": key.decode("utf-8", "replace")} if key else {}


def _sha256(value: bytes | None) -> str | None:
    return None if value is None else hashlib.sha256(value).hexdigest()
