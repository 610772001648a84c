"""Scores and a policy in; decision and reasons out. Pure: no clock, no network, no state."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import yaml

from sluice.errors import PolicyError
from sluice.schema import DECISIONS, LABELS, Decision, PolicyRef

_S = TypeVar("_S", bound=msgspec.Struct)

Threshold = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which score on a label means review, and from which block; None means never."""

    review: Threshold | None = None
    block: Threshold | None = None


class Thresholds(Limits, frozen=True, forbid_unknown_fields=True):
    """Limits of a label.

    Attributes
    ----------
    image : Limits or None
        In place of the label's own where an image says most of it, by what it shows or by the words in it, and not
        below them; None for the same ones. Pictures are known less well than texts, and a receipt reads like an
        advertisement: more may be needed to believe them.
    """

    image: Limits | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a score means for a post.

    Attributes
    ----------
    name, version
        Repeated in every verdict.
    unscored_part : str
        The least decision for a post with a part that failed, came late or was read only partly.
    unread_language : str
        The least decision for a post with text in a language that the models were not measured on.
    urgent_self_harm : float
        The score of ``self_harm`` from which a post's `Urgency` is ``urgent``; from its review threshold on it is
        ``concern``.
    labels : dict of str to Thresholds
        A label that is missing here never decides.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: Annotated[int, msgspec.Meta(ge=1)]
    unscored_part: Decision = "review"
    unread_language: Decision = "review"
    urgent_self_harm: Threshold = 0.8
    labels: dict[str, Thresholds]

    @property
    def ref(self) -> PolicyRef:
        """The policy's name and version, as a verdict carries them."""
        return PolicyRef(self.name, self.version)


@dataclass(frozen=True, slots=True)
class Finding:
    """A label whose score reached a threshold: the decision that asks for, and the threshold."""

    label: str
    score: float
    threshold: float
    decision: Decision


def find(policy: Policy, scores: Mapping[str, float], pictured: Collection[str] = ()) -> tuple[Finding, ...]:
    """Labels over a threshold, the strictest decision first, then the highest score.

    Parameters
    ----------
    scores : mapping of str to float
        Calibrated probability per label, in [0, 1].
    pictured : collection of str
        Labels of which an image says most; see `sluice.verdict.fusion.Scores`.
    """
    found = [
        finding
        for label, score in scores.items()
        if (limits := limits_of(policy, label, label in pictured)) and (finding := _judge(limits, label, score))
    ]
    return tuple(sorted(found, key=lambda f: (-DECISIONS.index(f.decision), -f.score, f.label)))


def limits_of(policy: Policy, label: str, is_pictured: bool) -> Limits | None:
    """A label's limits where an image says most of it, or where not; None if it never decides."""
    thresholds = policy.labels.get(label)
    return thresholds.image if thresholds and is_pictured and thresholds.image else thresholds


def _judge(limits: Limits, label: str, score: float) -> Finding | None:
    if limits.block is not None and score >= limits.block:
        return Finding(label, score, limits.block, "block")
    if limits.review is not None and score >= limits.review:
        return Finding(label, score, limits.review, "review")
    return None


def decide(policy: Policy, findings: tuple[Finding, ...], all_parts_scored: bool, all_understood: bool) -> Decision:
    """The strictest decision that the findings, a part that was not scored, or an unread language ask for."""
    asked: list[Decision] = [finding.decision for finding in findings]
    if not all_parts_scored:
        asked.append(policy.unscored_part)
    if not all_understood:
        asked.append(policy.unread_language)
    return max(asked, key=DECISIONS.index, default="allow")


def load_policy(path: Path) -> Policy:
    """Read a policy from a YAML file.

    Raises
    ------
    PolicyError
        Naming the file and the line of the mistake.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: {error}") from error
    return parse_policy(text, str(path))


def parse_policy(text: str, source: str = "policy") -> Policy:
    """Read a policy from YAML text; `source` is its name in errors.

    Raises
    ------
    PolicyError
        Naming `source` and the line of the mistake.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError(f"{source}: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise PolicyError(f"{source}:1: a policy is a mapping with name, version and labels")
    _refuse_repeated(root, source)
    entries = _convert(fields, _Entries, root, source).labels
    policy = _convert({**fields, "labels": {}}, Policy, root, source)
    nodes = _mapping(_mapping(root)["labels"][1])
    labels = {label: _thresholds(label, entry, *nodes[label], source) for label, entry in entries.items()}
    return msgspec.structs.replace(policy, labels=labels)


def _refuse_repeated(node: yaml.MappingNode, source: str) -> None:
    """YAML's reader takes the last of several entries with one key, and says nothing."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        if key.value in lines:
            raise PolicyError(f"{source}:{_line(key)}: {key.value!r} stands here again, after line {lines[key.value]}")
        lines[str(key.value)] = _line(key)
        if isinstance(value, yaml.MappingNode):
            _refuse_repeated(value, source)


class _Entries(msgspec.Struct):
    """The labels of a policy one by one: msgspec's errors don't name the keys of a mapping."""

    labels: dict[str, Any]


def _thresholds(label: str, entry: Any, key: yaml.Node, node: yaml.Node, source: str) -> Thresholds:
    where = f"{source}:{_line(key)}"
    if label not in LABELS:
        raise PolicyError(f"{where}: unknown label {label!r}; known: {', '.join(LABELS)}")
    thresholds = _convert(entry, Thresholds, node, source)
    for name, limits in ((label, thresholds), (f"{label}: image", thresholds.image or Limits())):
        review, block = limits.review, limits.block
        if review is not None and block is not None and review > block:
            raise PolicyError(f"{where}: {name}: review ({review}) is above block ({block}) and would never be reached")
    if thresholds.image and _asks_for_less(thresholds.image, thresholds):
        raise PolicyError(f"{where}: {label}: image asks for less than the label does elsewhere")
    return thresholds


def _asks_for_less(limits: Limits, other: Limits) -> bool:
    pairs = (limits.review, other.review), (limits.block, other.block)
    return any(own is not None and (least is None or own < least) for own, least in pairs)


def _convert(fields: Any, kind: type[_S], node: yaml.Node, source: str) -> _S:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        allowed = f"; allowed: {', '.join(DECISIONS)}" if str(error).startswith("Invalid enum value") else ""
        raise PolicyError(f"{source}:{_line_of_mistake(node, str(error))}: {error}{allowed}") from error


def _line_of_mistake(node: yaml.Node, message: str) -> int:
    """The line of the field that msgspec names: ``... at `$.review` `` or ``unknown field `x` ``."""
    named = re.search(r"at `\$\.(\w+)|unknown field `(.+?)`", message)
    entries = _mapping(node)
    field = (named.group(1) or named.group(2)) if named else None
    return _line(entries[field][0] if field in entries else node)


def _mapping(node: yaml.Node) -> dict[str | None, tuple[yaml.Node, yaml.Node]]:
    """The key and value nodes of a YAML mapping by key; empty for any other node."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): (key, value) for key, value in node.value}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
