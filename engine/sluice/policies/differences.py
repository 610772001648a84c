"""In what two policies differ, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sluice.verdict.policy import Policy


class Difference(msgspec.Struct, frozen=True):
    """A field in which two policies differ.

    Attributes
    ----------
    field : str
        ``labels.threat.review``, ``rules.NAME.when``.
    before, after : object
        None where there is nothing.
    """

    field: str
    before: Any
    after: Any


def find_differences(before: Policy, after: Policy) -> list[Difference]:
    """Every field that differs, what is inherited included; a rule by its name, not by its place."""
    old, new = dict(_flat(_named(before))), dict(_flat(_named(after)))
    names = dict.fromkeys([*old, *new])
    return [Difference(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _named(policy: Policy) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(policy))  # tuples as lists
    return {**fields, "rules": {rule["name"]: rule for rule in fields["rules"]}}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif value not in (None, [], {}):
        yield name, value
