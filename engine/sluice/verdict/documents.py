"""Policies as they are written: one YAML document each, with its tenant, its base, its rules and its cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sluice.errors import PolicyError
from sluice.features.language_names import LANGUAGE_CODES
from sluice.resources import default_policy
from sluice.schema import LABELS, Decision
from sluice.verdict.policy import Limits, Policy, Rule, Selectors, Threshold, Thresholds, hash_of
from sluice.verdict.yaml_source import Located, read_yaml

MAX_RULES = 500
"""Of one policy, those it inherited included."""

MAX_NAME_CHARS = 256
"""Of a policy: every verdict carries it."""

NOT_CONTENT = ("cases",)
"""What of a document decides nothing."""


class _Head(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A document without what has lines of its own: msgspec's errors don't name the keys of a mapping."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    version: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    tenant: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    extends: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    applies: Any = None
    unscored_part: Decision = "review"
    unread_language: Decision = "review"
    failed_rule: Decision = "review"
    urgent_self_harm: Threshold = 0.8
    labels: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    rules: list[Any] | None = None
    cases: list[Any] | None = None


_SCALARS = ("unscored_part", "unread_language", "failed_rule", "urgent_self_harm")


class _Label(Thresholds, frozen=True, forbid_unknown_fields=True):
    """A label of a document: thresholds, and by how much its scores count for more or less."""

    weight: Annotated[float, msgspec.Meta(gt=0.0, le=100.0)] = 1.0


@dataclass(frozen=True)
class Document:
    """A policy as it is written: not yet what it inherits.

    Attributes
    ----------
    name, version, tenant
        As `Policy` has them.
    extends : str or None
        The name of the policy that says what this one leaves out.
    text : str
        The YAML.
    root : Located
        What it says, and where.
    """

    name: str
    version: int
    tenant: str | None
    extends: str | None
    text: str
    root: Located

    @property
    def source(self) -> str:
        """Its name in errors."""
        return self.root.source

    @cached_property
    def sha256(self) -> str:
        """Of what it says, in hexadecimal; comments, order and cases are not counted."""
        return hash_of({key: value for key, value in self.root.value.items() if key not in NOT_CONTENT})


def read_document(text: str, source: str = "policy") -> Document:
    """Read a document; `source` is its name in errors.

    Raises
    ------
    PolicyError
        Naming `source` and the line of the mistake.
    """
    root = read_yaml(text, source)
    fields = root.value
    if "name" not in fields and isinstance(fields.get("tenant"), str):
        fields["name"] = fields["tenant"]
    head = root.convert(_Head)
    if head.labels is msgspec.UNSET and head.extends is None:
        raise root.error("Object missing required field `labels`: a policy without `extends` has them all")
    return Document(head.name, head.version, head.tenant, head.extends, text, root)


def read_text(path: Path) -> str:
    """The text of a policy file; raises `PolicyError`."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: {error}") from error


def resolve(document: Document, base: Policy | None = None) -> Policy:
    """What a document comes to on its base.

    Raises
    ------
    PolicyError
        Naming the document and the line of the mistake.
    """
    root = document.root
    head = root.convert(_Head)
    inherited = {name: getattr(base, name) for name in _SCALARS if base and name not in root.value}
    return Policy(
        name=document.name,
        version=document.version,
        tenant=document.tenant,
        applies=_read_applies(root),
        labels=_merge_labels(root.get("labels"), base.labels if base else {}),
        rules=_merge_rules(root.get("rules"), base.rules if base else ()),
        **{name: inherited.get(name, getattr(head, name)) for name in _SCALARS},
    )


def _read_applies(root: Located) -> Any:
    applies = root.get("applies")
    if applies is None or applies.value is None:
        return Selectors()
    if applies.value == "never":
        return "never"
    if not isinstance(applies.value, dict):
        raise applies.error(
            "applies is `never`, or a mapping of surface, market, language, author_standing and authors"
        )
    selectors = applies.convert(
        Selectors, {key: value if key == "authors" else _as_list(value) for key, value in applies.value.items()}
    )
    check_languages(applies, selectors.language)
    return selectors


def check_languages(where: Located, codes: Iterable[str]) -> None:
    """Raise `PolicyError` for a language that no verdict has, such as ``DE`` or ``hr``: it would match nothing."""
    if unknown := next((code for code in codes if code and code not in LANGUAGE_CODES), None):
        raise where.error(f"no verdict has the language {unknown!r}; there are: {', '.join(sorted(LANGUAGE_CODES))}")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _merge_labels(own: Located | None, base: dict[str, Thresholds]) -> dict[str, Thresholds]:
    merged = dict(base)
    for key, entry in own.entries() if own and own.value else ():
        if key.value not in LABELS:
            raise key.error(f"unknown label {key.value!r}; known: {', '.join(LABELS)}")
        if entry.value is False or entry.value == "off":  # YAML reads a bare `off` as false
            merged.pop(key.value, None)
        else:
            merged[key.value] = _read_label(key, entry, base.get(key.value))
    return {label: merged[label] for label in [*base, *merged] if label in merged}


def _read_label(key: Located, entry: Located, base: Thresholds | None) -> Thresholds:
    entry.convert(_Label)  # what is wrong with it by itself has a line
    inherited = msgspec.to_builtins(base) if base else {}
    label = entry.convert(_Label, {**inherited, **entry.value})
    _check_order(key, label)
    weighted = _weigh(label, label.weight)
    image = _weigh(label.image, label.weight) if label.image else None
    return Thresholds(weighted.review, weighted.block, image, label.alias)


def _weigh(limits: Limits, weight: float) -> Limits:
    """The limits that a score reaches as soon as the score, times the weight, reaches these; None beyond 1."""
    return Limits(*(_divide(limit, weight) for limit in (limits.review, limits.block)))


def _divide(limit: float | None, weight: float) -> float | None:
    return None if limit is None or limit > weight else limit / weight


def _check_order(key: Located, label: Thresholds) -> None:
    for name, limits in ((key.value, label), (f"{key.value}: image", label.image or Limits())):
        review, block = limits.review, limits.block
        if review is not None and block is not None and review > block:
            raise key.error(f"{name}: review ({review}) is above block ({block}) and would never be reached")
    if label.image and _asks_for_less(label.image, label):
        raise key.error(f"{key.value}: image asks for less than the label does elsewhere")


def _asks_for_less(limits: Limits, other: Limits) -> bool:
    pairs = (limits.review, other.review), (limits.block, other.block)
    return any(own is not None and (least is None or own < least) for own, least in pairs)


def _merge_rules(own: Located | None, base: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Those of the base, each replaced by the own one of its name, then the other own ones."""
    found: dict[str, Rule] = {}
    for entry in own.items() if own and own.value else ():
        rule = entry.convert(Rule)
        if rule.name in found:
            raise entry.error(f"a rule {rule.name!r} stands above already")
        found[rule.name] = rule
    merged = {rule.name: rule for rule in base} | found
    if own and len(merged) > MAX_RULES:
        raise own.error(f"{len(merged)} rules; a policy has at most {MAX_RULES}")
    return tuple(merged.values())


def parse_policy(text: str, source: str = "policy") -> Policy:
    """Read a policy from YAML text; it may extend the one that ships.

    Raises
    ------
    PolicyError
        Naming `source` and the line of the mistake.
    """
    document = read_document(text, source)
    return resolve(document, load_base(document))


def load_base(document: Document) -> Policy | None:
    """The shipped policy, if it is what a document that stands alone extends."""
    if document.extends is None:
        return None
    shipped = read_shipped()
    if document.extends != shipped.name:
        raise (document.root.get("extends") or document.root).error(f"there is no policy {document.extends!r} here")
    return resolve(shipped)


def read_shipped() -> Document:
    """The policy that ships."""
    return read_document(read_text(default_policy()), str(default_policy()))


def load_policy(path: Path) -> Policy:
    """Read a policy from a YAML file; see `parse_policy`."""
    return parse_policy(read_text(path), str(path))
