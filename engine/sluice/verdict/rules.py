"""Rules in the Common Expression Language: compiled once, evaluated all together, each a reason where it is true.

Expressions are checked when they are compiled: every name, every type, and what `rule_limits` says. They are evaluated
as one list, since going into the library costs more than most of them do; where one fails, one by one, so that a rule
that fails takes no other with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from sluice.contract import LABELS
from sluice.errors import PolicyError
from sluice.evidence import MAX_MATCHES, HashMatch, ListMatch
from sluice.schema import MAX_LISTED, Media, Post, RuleReason
from sluice.verdict.facts import INPUTS, MAX_CHARS, Facts, Kind, Question
from sluice.verdict.known import Known
from sluice.verdict.policy import Rule
from sluice.verdict.rule_limits import bare, find_excess
from sluice.verdict.rule_words import find_unknown
from sluice.verdict.yaml_source import Located

GROUP = 200
"""Rules that are evaluated as one list. All of a list share `rule_limits.MAX_ITERATIONS`, and one that fails costs the
evaluation of all of them one by one."""

MAX_RULE_S = 0.001
"""Of processor time for one rule on the fullest post there is: a hundred times what an ordinary one takes."""

N_TIMINGS = 5

PATTERN_WRONG = "invalid regular expression"
"""What the library says of a pattern that is none; it looks at patterns when they are used."""

_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")


class RuleMistake(Exception):
    """An expression is wrong; says on which of its lines, from 1 on."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression, and the names it uses."""

    source: str
    program: cel.Expression
    names: tuple[str, ...]


@lru_cache(maxsize=8192)
def compile_expression(source: str) -> Expression:
    """Compile an expression and try it; raises `RuleMistake`."""
    if mistake := find_excess(source) or find_unknown(source):
        raise RuleMistake(mistake)
    try:
        program = _environment().compile(source)
    except RuntimeError as error:
        raise _mistake(str(error)) from error
    if program.return_type().name() != "BOOL":
        raise RuleMistake(f"it is of type {program.return_type().name()}; a rule is true or false")
    expression = Expression(source, program, tuple(_names_in(source)))
    took_s, answer = _try(expression)
    if PATTERN_WRONG in str(answer):
        raise RuleMistake(str(answer))
    if took_s > MAX_RULE_S:
        raise RuleMistake(f"it takes {took_s * 1000:.1f} ms on the fullest post; a rule has {MAX_RULE_S * 1000:g} ms")
    return expression


def _mistake(said: str) -> RuleMistake:
    found = _PLACE.search(said)
    if found is None:
        return RuleMistake(said.splitlines()[0])
    return RuleMistake(f"{found.group(3)} (character {found.group(2)})", int(found.group(1)))


@cache
def _environment() -> cel.Env:
    """The names that there are, and their types."""
    return cel.NewEnv(variables={name: _type(known.kind) for name, known in INPUTS.items()})


def _type(kind: Kind) -> cel.Type:
    text = cel.Type.STRING
    types = {"strings": cel.Type.List(text), "string map": cel.Type.Map(text, text)}
    return types.get(kind) or {"double": cel.Type.DOUBLE, "int": cel.Type.INT, "string": text}[kind]


def _names_in(source: str) -> Iterator[str]:
    """The inputs that an expression names: ``scores.hate``, ``surface``, and ``parts`` of ``parts.exists(…)``."""
    code = bare(source)
    found = {re.sub(r"\s", "", name) for name in _NAME.findall(code)}
    return (name for name in INPUTS if any(one == name or one.startswith(f"{name}.") for one in found))


@cache
def _fullest() -> Question:
    """A post that makes every input as large as it gets."""
    long, media = "x" * MAX_CHARS, tuple(Media("data:,") for _ in range(MAX_LISTED))
    post = Post(
        id="p", text=long, images=media, audio=media, tenant=long, surface=long, author_id=long, author_standing=long,
        market=long, created_at=long,
    )  # fmt: skip
    parts = {f"{kind}:{n}": f"failed: {long}" for kind in ("image", "audio") for n in range(MAX_LISTED)}
    every = dict.fromkeys(LABELS, 1.0)
    return Question(Facts(post, every, every, parts=parts, language="x" * 8, known=_all_known()), "block", LABELS)


def _all_known() -> Known:
    names = [f"{n:064}" for n in range(MAX_MATCHES)]
    lists = (
        ListMatch(list=name, kind="word", value=name, owner="x" * MAX_CHARS, action=action)
        for name in names
        for action in ("block", "allow")
    )
    return Known(tuple(lists), tuple(HashMatch(bank=name, part="image:0", kind="pdq", value=name) for name in names))


def _try(expression: Expression) -> tuple[float, Any]:
    """Seconds of processor time of one evaluation, the least of several, and what it came to."""
    activation = _environment().Activation(_read(expression.names, _fullest()))
    took_s = []
    for _ in range(N_TIMINGS):
        start_s = time.thread_time()
        answer = _evaluate(expression.program, activation)
        took_s.append(time.thread_time() - start_s)
    return min(took_s), answer


def _read(names: Sequence[str], asked: Question) -> dict[str, Any]:
    return {name: INPUTS[name].read(asked) for name in names}


def check_rules(rules: Located | None) -> None:
    """Compile the rules of a document; raises `PolicyError` with the line of the mistake."""
    for entry in rules.items() if rules and rules.value else ():
        when = entry.get("when") or entry
        try:
            compile_expression(str(when.value))
        except RuleMistake as mistake:
            raise PolicyError(
                f"{when.source}:{when.line_within(mistake.line)}: rule {entry.value['name']!r}: {mistake}"
            ) from mistake


@dataclass(frozen=True, slots=True)
class _Group:
    """Rules that are evaluated as one list."""

    rules: tuple[Rule, ...]
    expressions: tuple[Expression, ...]
    together: cel.Expression


class RuleSet:
    """The rules of one policy, ready to be asked.

    Parameters
    ----------
    rules : sequence of Rule
        Whose expressions are right: see `check_rules`.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._groups = [_group(tuple(rules[n : n + GROUP])) for n in range(0, len(rules), GROUP)]
        names = {name for group in self._groups for each in group.expressions for name in each.names}
        self.names = tuple(name for name in INPUTS if name in names)

    def ask(self, asked: Question) -> list[RuleReason]:
        """A reason for each rule that is true, and for each that failed, in the rules' order."""
        if not self._groups:
            return []
        values = _read(self.names, asked)
        activation = _environment().Activation(values)
        return [reason for group in self._groups for reason in _ask(group, activation, values)]


def _group(rules: tuple[Rule, ...]) -> _Group:
    expressions = tuple(compile_expression(rule.when) for rule in rules)
    return _Group(rules, expressions, _compile_together(tuple(each.source for each in expressions)))


@lru_cache(maxsize=1024)
def _compile_together(sources: tuple[str, ...]) -> cel.Expression:
    """One list of them all; policies that inherit the same rules share it.

    Each is on lines of its own: a comment at the end of one must not reach the next.
    """
    return _environment().compile("[" + ",".join(f"(\n{source}\n)" for source in sources) + "]")


def _ask(group: _Group, activation: cel.Activation, values: dict[str, Any]) -> Iterator[RuleReason]:
    answers = _evaluate(group.together, activation)
    if not isinstance(answers, list):
        answers = [_evaluate(each.program, activation) for each in group.expressions]
    if answers.count(False) == len(answers):  # most posts: looking at each answer takes an eighth of the whole
        return
    for rule, expression, answer in zip(group.rules, group.expressions, answers, strict=True):
        if answer is not False:
            yield _reason(rule, expression, values, None if answer is True else str(answer))


def _evaluate(program: cel.Expression, activation: cel.Activation) -> Any:
    """What it comes to; what is neither true, false nor a list says why it has failed."""
    try:
        return program.eval(activation).plain_value()
    except RuntimeError as error:  # out of steps
        return error


def _reason(rule: Rule, expression: Expression, values: dict[str, Any], failed: str | None) -> RuleReason:
    inputs = {name: values[name] for name in expression.names}
    if failed is not None:
        return RuleReason(rule=rule.name, inputs=inputs, failed=failed)
    return RuleReason(
        rule=rule.name,
        decision=rule.decision,
        urgency=rule.urgency,
        queue=rule.queue,
        tags=rule.tags,
        webhook=rule.webhook,
        rate_limit=rule.rate_limit,
        inputs=inputs,
    )
