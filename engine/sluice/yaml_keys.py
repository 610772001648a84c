"""Keys that stand twice in a YAML mapping: its reader takes the last one, and says nothing."""

from __future__ import annotations

from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that stood before, and the lines of both, from 1."""

    key: str
    line: int
    first_line: int

    def __str__(self) -> str:
        return f"{self.key!r} stands here again, after line {self.first_line}"


def find_repeated(node: yaml.Node) -> Repeated | None:
    """The first key that stands twice in a mapping, or in one inside it."""
    lines: dict[str, int] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name = str(key.value)
        if name in lines:
            return Repeated(name, line_of(key), lines[name])
        lines[name] = line_of(key)
    return next(filter(None, map(find_repeated, children_of(node))), None)


def children_of(node: yaml.Node) -> list[yaml.Node]:
    """The nodes inside a mapping, its keys among them, or inside a sequence."""
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def line_of(node: yaml.Node) -> int:
    """Where a node begins, from 1."""
    return int(node.start_mark.line) + 1
