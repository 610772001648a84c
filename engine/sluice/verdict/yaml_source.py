"""YAML whose mistakes have a line: read once, bounded, and turned into typed structures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import yaml

from sluice.errors import PolicyError
from sluice.schema import DECISIONS
from sluice.yaml_keys import children_of, find_repeated, line_of

_S = TypeVar("_S", bound=msgspec.Struct)

MAX_CHARS = 2**20
"""Of one document: a policy of 500 rules has a tenth of them."""

MAX_NODES = 100_000
"""Of one document with its aliases written out: a few lines of aliases of aliases would fill the memory."""

MAX_DEPTH = 200
"""Brackets within brackets, also those in texts."""

_BRACKETS = re.compile(r"[\[\]{}]")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast, where PyYAML was built with it."""


@dataclass(frozen=True, slots=True)
class Located:
    """A value of a document, and where it stands.

    Attributes
    ----------
    value : object
        As YAML means it.
    node : yaml.Node
    source : str
        The document's name in errors.
    """

    value: Any
    node: yaml.Node
    source: str

    @property
    def line(self) -> int:
        """Of its first character, from 1 on."""
        return line_of(self.node)

    def line_within(self, n: int) -> int:
        """The document's line on which line `n` of this text stands; a block begins on the line after its ``|``."""
        is_block = isinstance(self.node, yaml.ScalarNode) and self.node.style in ("|", ">")
        return self.line + n - 1 + is_block

    def error(self, message: str) -> PolicyError:
        """What is wrong here."""
        return PolicyError(f"{self.source}:{self.line}: {message}")

    def entries(self) -> Iterator[tuple[Located, Located]]:
        """Keys and values of a mapping; nothing of anything else."""
        for name, (key, value) in mapping_of(self.node).items():
            yield Located(name, key, self.source), Located(self.value[_key_in(self.value, name)], value, self.source)

    def items(self) -> Iterator[Located]:
        """What a list holds; raises `PolicyError` if it is none."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("a list was expected here")
        for value, node in zip(self.value, self.node.value, strict=True):
            yield Located(value, node, self.source)

    def get(self, name: str) -> Located | None:
        """The value under a key of a mapping; None without one."""
        return next((value for key, value in self.entries() if key.value == name), None)

    def convert(self, kind: type[_S], fields: Any = None) -> _S:
        """The value as a structure.

        Parameters
        ----------
        fields : object
            In place of the value itself: a part of it, say.

        Raises
        ------
        PolicyError
            With the line of the field that is wrong.
        """
        try:
            return msgspec.convert(self.value if fields is None else fields, kind)
        except msgspec.ValidationError as error:
            allowed = f"; allowed: {', '.join(DECISIONS)}" if _is_about_decisions(error, kind) else ""
            line = _line_of_mistake(self.node, str(error))
            raise PolicyError(f"{self.source}:{line}: {error}{allowed or _hint(error)}") from error


def _key_in(mapping: dict[Any, Any], name: str | None) -> Any:
    """The key as YAML means it: ``1`` and ``on`` are no strings."""
    return name if name in mapping else next(key for key in mapping if str(key).lower() == str(name).lower())


def _hint(error: msgspec.ValidationError) -> str:
    """For a text that YAML takes for something else: ``market: no``."""
    is_word = re.match(r"Expected `(?:str|array)\b.*got `bool`", str(error))
    return "; YAML reads no, off and their like as false: put it in quotes" if is_word else ""


def _is_about_decisions(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> bool:
    named = re.search(r"^Invalid enum value .* at `\$\.(\w+)`", str(error))
    return named is not None and named.group(1) in ("decision", "unscored_part", "unread_language", "failed_rule")


def read_yaml(text: str, source: str) -> Located:
    """Read a document that is a mapping.

    Raises
    ------
    PolicyError
        It is no YAML, no mapping, too large, or names something twice.
    """
    if len(text) > MAX_CHARS:
        raise PolicyError(f"{source}:1: {len(text)} characters; a policy has at most {MAX_CHARS}")
    try:
        _bound_depth(text, source)
        root = yaml.compose(text, _LOADER)
        if not isinstance(root, yaml.MappingNode):
            raise PolicyError(f"{source}:1: a policy is a mapping with name, version and labels")
        _bound(root, source)
        if repeated := find_repeated(root):
            raise PolicyError(f"{source}:{repeated.line}: {repeated}")
        return Located(_Constructor("").construct_document(root), root, source)
    except RecursionError as error:
        raise PolicyError(f"{source}:1: nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        line, said = _where(error, text)
        raise PolicyError(f"{source}:{line}: {said}") from error


class _Constructor(yaml.SafeLoader):
    """Makes values of nodes; whatever is no value of its type is an error with a place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            kind = str(node.tag).rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"no {kind} is written so", node.start_mark) from error


def _where(error: Exception, text: str) -> tuple[int, str]:
    """The line of what the parser stumbled over, from 1, and what it says, without an excerpt."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return mark.line + 1, str(error.problem or error.context)
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, f"{error.reason}: #x{error.character:04x}"
    if isinstance(error, UnicodeEncodeError):  # half of a surrogate pair
        return text.count("\n", 0, error.start) + 1, error.reason
    return 1, str(error)


def _bound_depth(text: str, source: str) -> None:
    """Before the parser sees it: its time grows with the square of the depth."""
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            raise PolicyError(f"{source}:1: nested too deeply")


def _bound(root: yaml.Node, source: str) -> None:
    left, waiting = MAX_NODES, [root]
    while waiting:
        node = waiting.pop()
        left -= 1
        if left < 0:
            raise PolicyError(f"{source}:{line_of(root)}: more than {MAX_NODES} values, its aliases written out")
        waiting.extend(children_of(node))


def _line_of_mistake(node: yaml.Node, message: str) -> int:
    """The line of the field that msgspec names: ``... at `$.review` ``, ``in `$.labels` ``, ``unknown field `x` ``."""
    named = re.search(r"(?:at|in) `\$\.(\w+)|unknown field `(.+?)`", message)
    entries = mapping_of(node)
    field = (named.group(1) or named.group(2)) if named else None
    return line_of(entries[field][0] if field in entries else node)


def mapping_of(node: yaml.Node) -> dict[str | None, tuple[yaml.Node, yaml.Node]]:
    """The key and value nodes of a YAML mapping by key; empty for any other node."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): (key, value) for key, value in node.value}
