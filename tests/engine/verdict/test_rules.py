"""Rules: what they see, what they do, and that none of them takes long, whatever it says."""

from __future__ import annotations

import pytest

from sluice.errors import PolicyError
from sluice.schema import LABELS, AuthorHistory, Post, RuleReason
from sluice.verdict.documents import read_document
from sluice.verdict.facts import Facts
from sluice.verdict.judgement import Judge, Judgement
from sluice.verdict.policy import Policy, Rule, Thresholds
from sluice.verdict.policy_set import SetBuilder
from sluice.verdict.rule_limits import MAX_CHARS
from sluice.verdict.rules import RuleMistake, RuleSet, compile_expression

AUTHOR = AuthorHistory(strikes=1.5, posts_1m=3, repeats_24h=2)
QUIET = dict.fromkeys(LABELS, 0.0)
POST = Post(id="p", text="hello", tenant="forum", surface="chat", author_id="u-1", author_standing="new")
FACTS = Facts(
    POST, QUIET | {"spam": 0.45, "hate": 0.7}, QUIET | {"hate": 0.2}, parts={"text": "ok"}, language="en", author=AUTHOR
)


def rule(when: str, **actions: object) -> Rule:
    return Rule(name=actions.pop("name", "r"), when=when, **actions)  # type: ignore[arg-type]


def judge(*rules: Rule, facts: Facts = FACTS, **fields: object) -> Judgement:
    labels = {"hate": Thresholds(review=0.6)}
    return Judge(Policy(name="t", version=1, labels=labels, rules=rules, **fields)).judge(facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "when",
    [
        "scores.spam > 0.4 && severity.hate < 0.3",
        "tenant == 'forum' && surface in ['chat', 'wall'] && author_standing == 'new'",
        "author_id.startsWith('u-') && author_id.matches('^u-[0-9]+$')",
        "created_at == '' && language == 'en' && language_probability < 1.0",
        "parts['text'] == 'ok' && !('image:0' in parts) && n_images == 0 && n_clips == 0 && text_chars == 5",
        "decision == 'review' && 'hate' in labels && labels.exists(l, l.startsWith('ha'))",
        "scores.spam > 0.4 // which says so",
        "author.strikes > 1.4 && author.posts_1m == 3 && author.repeats_24h == 2 && author.reports_24h == 0",
    ],
)
def test_a_rule_sees_what_is_known_of_a_post(when: str) -> None:
    assert [reason.failed for reason in judge(rule(when, decision="block")).rules] == [None]
    assert judge(rule(f"!(\n{when}\n)", decision="block")).rules == ()


def test_what_several_rules_ask_for_comes_together() -> None:
    said = judge(
        rule("true", name="a", tags=("x", "y")),
        rule("true", name="b", decision="block", urgency="concern", queue="first", tags=("y", "z")),
        rule("false", name="c", urgency="urgent", queue="zeroth"),
        rule("true", name="d", decision="review", queue="second"),
    )
    assert (said.decision, said.urgency, said.queue, said.tags) == ("block", "concern", "first", ("x", "y", "z"))
    assert [reason.rule for reason in said.rules] == ["a", "b", "d"]
    assert said.findings[0].label == "hate"


def test_a_reason_says_what_the_rule_looked_at() -> None:
    said = judge(rule("scores.spam > 0.4 && surface in ['chat', 'severity.hate']"))
    assert said.rules == (RuleReason(rule="r", inputs={"scores.spam": 0.45, "surface": "chat"}),)
    assert judge(rule("parts.all(p, parts[p] == 'ok')")).rules[0].inputs == {"parts": {"text": "ok"}}


def test_a_rule_never_makes_a_decision_milder() -> None:
    assert judge(rule("true", decision="review"), facts=Facts(POST, QUIET), unscored_part="block").decision == "review"
    blocked = judge(rule("true", decision="review"), facts=Facts(POST, QUIET, all_scored=False), unscored_part="block")
    assert blocked.decision == "block"


def test_a_rule_that_fails_is_told_and_takes_no_other_with_it() -> None:
    broken = rule("parts['image:7'] == 'ok'", name="broken", decision="block", queue="q")
    said = judge(rule("true", name="good", tags=("t",)), broken, rule("false", name="no"))
    assert [(reason.rule, bool(reason.failed)) for reason in said.rules] == [("good", False), ("broken", True)]
    assert (said.decision, said.queue, said.tags) == ("review", None, ("t",))
    assert judge(broken, facts=Facts(POST, QUIET), failed_rule="allow").decision == "allow"


def test_more_rules_than_are_asked_at_once() -> None:
    rules = [rule(f"scores.spam > {n / 1000}", name=f"r{n}") for n in range(450)]
    assert len(RuleSet(rules)._groups) == 3
    assert [reason.rule for reason in judge(*rules, rule("1 / text_chars == 1 / 0", name="bad")).rules] == [
        *(f"r{n}" for n in range(450)),
        "bad",
    ]


LONG = "[" + ",".join(map(str, range(100))) + "]"


@pytest.mark.parametrize(
    ("when", "mistake"),
    [
        ("scores.hat > 0.5", "undeclared reference to 'scores.hat'"),
        ("scores.hate > 'a'", "no matching overload"),
        ("scores.hate > 1", "no matching overload"),
        ("scores.hate", "it is of type DOUBLE"),
        ("scores.hate >", "Syntax error"),
        ("n_images > 0 && 'ads' in labels", "labels is never 'ads'; there are: "),
        ("language == 'DE'", "language is never 'DE'"),
        ('surface == "DE" || "hr" != language', "language is never 'hr'"),
        ("language in ['de', 'at'] || decision == 'review'", "language is never 'at'"),
        ("decision == 'deny'", "decision is never 'deny'; there are: allow, block, review"),
        ("'" + "x" * MAX_CHARS + "' == surface", "at most 1000"),
        ("(" * 40 + "true" + ")" * 40, "recursion"),
        ("labels.all(a, labels.all(b, a == b))", "within another"),
        ("labels.all(a, [a].exists(b, labels . exists_one (c, a == c)))", "within another"),
        ("labels.map(a, a + a).map(a, a + a).map(a, a + a) == labels", "map() is not allowed"),
        ("labels. // here\n map(a, a) == labels", "map() is not allowed"),
        (" && ".join(["labels.all(a, true)"] * 5), "5 walks"),
        ("scores.`hate` > 0.5", "without backticks"),
        ("'a'.matches(surface)", "the pattern written out"),
        ("matches('a', surface)", "the pattern written out"),
        ("'a'.matches('a' + surface)", "the pattern written out"),
        ("r'\\' == surface || labels.map(a, a) == [r'\\']", "map() is not allowed"),
        ("true // '''\n && labels.map(a, a) == labels // '''", "map() is not allowed"),
        ("surface.matches('(a')", "invalid regular expression"),
    ],
)
def test_a_rule_that_is_wrong_or_may_grow_is_refused(when: str, mistake: str) -> None:
    with pytest.raises(RuleMistake) as caught:
        compile_expression(when)
    assert mistake in str(caught.value)


@pytest.mark.parametrize(
    "when",
    [
        "surface == '.map(x, labels.all(y, true))'",
        "true // labels.map(a, a)",
        "surface == '`' // `",
        "surface == 'ads' && 'hate' in labels && language in ['', 'de', 'und-Cyrl'] // decision == 'deny'",
        """surface == "language == 'DE'" && author_standing == 'DE'""",
    ],
)
def test_what_a_string_or_a_comment_says_breaks_no_limit(when: str) -> None:
    compile_expression(when)


def test_a_rule_that_is_slow_on_a_full_post_is_refused() -> None:
    slow = "parts.all(p, " + " && ".join(["parts[p] + surface != p + author_id"] * 20) + ")"
    with pytest.raises(RuleMistake, match="a rule has 1 ms"):
        compile_expression(slow)


def test_what_no_limit_foresaw_is_stopped_by_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.verdict.rules.find_excess", lambda source: None)
    monkeypatch.setattr("sluice.verdict.rules.MAX_RULE_S", 60.0)
    endless = rule(f"{LONG}.all(a, {LONG}.all(b, {LONG}.all(c, a + b + c >= 0)))", name="endless", decision="block")
    said = judge(endless, rule("true", name="good"))
    compile_expression.cache_clear()
    assert [(reason.rule, reason.failed) for reason in said.rules] == [
        ("endless", "INTERNAL: Iteration budget exceeded [INTERNAL]"),
        ("good", None),
    ]
    assert said.decision == "review"


@pytest.mark.parametrize(
    ("rules", "line", "mistake"),
    [
        ("- {name: r, when: scores.hat > 0.1, decision: review}", 5, "rule 'r': undeclared reference to 'scores.hat'"),
        ("- name: r\n  decision: block\n  when: nowhere", 7, "undeclared"),
        ("- name: r\n  when: |\n    true\n    && nowhere == 1", 8, "undeclared reference to 'nowhere'"),
        ("- {name: r, when: 'true'}\n- {name: r, when: 'true'}", 6, "'r' stands above already"),
        ("- {name: r, when: 'true', decision: allow}", 5, "Invalid enum value 'allow'"),
        ("- {name: r r, when: 'true'}", 5, "`$.name`"),
        ("- {name: r}", 5, "`when`"),
        ("- [r]", 5, "Expected `object`"),
        ("" + "\n".join(f"- {{name: r{n}, when: 'true'}}" for n in range(501)), 5, "at most 500"),
    ],
)
def test_a_wrong_rule_of_a_document_is_named_with_its_line(rules: str, line: int, mistake: str) -> None:
    text = f"name: a\nversion: 1\nlabels: {{}}\nrules:\n{rules}\n"
    with pytest.raises(PolicyError) as caught:
        SetBuilder().build([read_document(text, "mine.yaml")])
    assert str(caught.value).startswith(f"mine.yaml:{line}: ")
    assert mistake in str(caught.value)


def test_rules_are_inherited_and_replaced_by_name() -> None:
    base = "name: default\nversion: 1\nlabels: {}\nrules:\n- {name: a, when: 'true'}\n- {name: b, when: 'true'}\n"
    own = "tenant: t\nversion: 1\nextends: default\nrules:\n- {name: c, when: 'true'}\n- {name: a, when: 'false'}\n"
    policies = SetBuilder().build([read_document(base), read_document(own)])
    said = policies.choose(Post(id="p", tenant="t"), "").judge(Facts(POST, QUIET))
    assert [reason.rule for reason in said.rules] == ["b", "c"]
