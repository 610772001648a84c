"""The tests that stand in a policy's own file: a post, what the models would say of it, and what is expected then."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Any

import msgspec

from sluice.errors import PolicyError
from sluice.evidence import HashMatch, ListMatch
from sluice.schema import LABELS, AuthorHistory, Decision, Post, Urgency
from sluice.verdict.documents import Document, check_languages
from sluice.verdict.facts import Facts
from sluice.verdict.judgement import Judge, Judgement
from sluice.verdict.known import Known
from sluice.verdict.policy import Threshold
from sluice.verdict.policy_set import PolicySet
from sluice.verdict.yaml_source import Located

Name = Annotated[str, msgspec.Meta(min_length=1)]


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is expected; what is left out may be anything."""

    decision: Decision | msgspec.UnsetType = msgspec.UNSET
    labels: list[str] | msgspec.UnsetType = msgspec.UNSET
    rules: list[str] | msgspec.UnsetType = msgspec.UNSET
    urgency: Urgency | msgspec.UnsetType = msgspec.UNSET
    queue: str | msgspec.UnsetType | None = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    webhooks: list[str] | msgspec.UnsetType = msgspec.UNSET
    rate_limits: list[str] | msgspec.UnsetType = msgspec.UNSET
    policy: str | msgspec.UnsetType = msgspec.UNSET


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test of a policy.

    Attributes
    ----------
    post : dict
        Fields of a post; only those that policies look at matter.
    scores, severity : dict of str to float
        Per label; 0 for those left out.
    parts : dict of str to str
        As a verdict's `modalities`; all ``ok`` where left out.
    lists, lists_allowed, list_owners, hashes : list of str
        As rules see them.
    author : AuthorHistory or None
        What is known of the author; nothing where left out.
    """

    name: Name
    expect: Expected
    post: dict[str, Any] = {}
    scores: dict[str, Threshold] = {}
    severity: dict[str, Threshold] = {}
    parts: dict[str, str] = {}
    language: str = ""
    lists: list[Name] = []
    lists_allowed: list[Name] = []
    list_owners: list[Name] = []
    hashes: list[Name] = []
    author: AuthorHistory | None = None


def run_cases(document: Document, policies: PolicySet) -> int:
    """Run a document's cases on the set that it is in; returns how many there are.

    Raises
    ------
    PolicyError
        Naming the line of the first case that fails, with what was expected and what came.
    """
    cases = document.root.get("cases")
    listed = list(cases.items()) if cases and cases.value else []
    for entry in listed:
        _run(entry, document, policies)
    return len(listed)


def _run(entry: Located, document: Document, policies: PolicySet) -> None:
    case = entry.convert(Case)
    facts = _facts_of(entry, case, document)
    judge = policies.choose(facts.post, facts.language)
    said = _describe(judge, judge.judge(facts))
    for name, wanted in msgspec.to_builtins(case.expect).items():
        if said[name] != wanted:
            raise entry.error(f"case {case.name!r}: {name} is {said[name]!r}, expected {wanted!r}")


def _facts_of(entry: Located, case: Case, document: Document) -> Facts:
    check_languages(entry, [case.language])
    for label in [*case.scores, *case.severity]:
        if label not in LABELS:
            raise entry.error(f"case {case.name!r}: unknown label {label!r}; known: {', '.join(LABELS)}")
    statuses = case.parts.values()
    return Facts(
        post=_post_of(entry, case, document),
        scores=dict.fromkeys(LABELS, 0.0) | case.scores,
        severity=dict.fromkeys(LABELS, 0.0) | case.severity,
        parts=case.parts,
        all_scored=all(status == "ok" for status in statuses),
        language=case.language,
        language_probability=1.0 if case.language else 0.0,
        known=_known_of(case),
        author=case.author,
    )


def _known_of(case: Case) -> Known:
    pairs = zip_longest(case.lists, case.list_owners)
    blocked = [ListMatch(list=name or "", kind="word", value="", owner=owner) for name, owner in pairs]
    allowed = [ListMatch(list=name, kind="word", value="", action="allow") for name in case.lists_allowed]
    hashes = [HashMatch(bank=name, part="image:0", kind="pdq", value="") for name in case.hashes]
    return Known((*blocked, *allowed), tuple(hashes))


def _post_of(entry: Located, case: Case, document: Document) -> Post:
    """The case's post; of the policy's own tenant, unless it says another."""
    if unknown := sorted(case.post.keys() - set(Post.__struct_fields__)):
        raise entry.error(f"case {case.name!r}: post: unknown field {unknown[0]!r}")
    try:
        return msgspec.convert({"id": "case", "tenant": document.tenant, **case.post}, Post)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{entry.source}:{entry.line}: case {case.name!r}: post: {error}") from error


def _describe(judge: Judge, said: Judgement) -> dict[str, Any]:
    return {
        "decision": said.decision,
        "labels": [finding.label for finding in said.findings],
        "rules": [rule.rule for rule in said.rules],
        "urgency": said.urgency,
        "queue": said.queue,
        "tags": list(said.tags),
        "webhooks": [rule.webhook for rule in said.rules if rule.webhook],
        "rate_limits": [rule.rate_limit for rule in said.rules if rule.rate_limit],
        "policy": judge.ref.name,
    }
