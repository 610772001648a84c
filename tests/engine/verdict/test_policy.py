"""Scores and a policy in; decision and reasons out."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import PolicyError
from sluice.resources import default_policy
from sluice.schema import DECISIONS, LABELS
from sluice.verdict.documents import load_policy, parse_policy
from sluice.verdict.policy import Limits, Policy, Rule, Selectors, Thresholds, decide, find

POLICY = Policy(
    name="test", version=2, labels={"threat": Thresholds(review=0.4, block=0.9), "spam": Thresholds(review=0.5)}
)
DEFAULT = default_policy()


def decide_on(
    scores: dict[str, float], all_parts_scored: bool = True, policy: Policy = POLICY, all_understood: bool = True
) -> str:
    return decide(policy, find(policy, scores), all_parts_scored, all_understood)


@pytest.mark.parametrize(
    ("scores", "decision"),
    [
        ({"threat": 0.39, "spam": 0.49}, "allow"),
        ({"threat": 0.4}, "review"),
        ({"threat": 0.8999}, "review"),
        ({"threat": 0.9}, "block"),
        ({"spam": 1.0}, "review"),
        ({"spam": 1.0, "threat": 0.95}, "block"),
        ({"hate": 1.0}, "allow"),
    ],
)
def test_thresholds_are_reached_from_below(scores: dict[str, float], decision: str) -> None:
    assert decide_on(scores) == decision


def test_reasons_come_strictest_first_then_highest() -> None:
    findings = find(POLICY, {"spam": 0.99, "threat": 0.91})
    assert [(f.label, f.decision, f.threshold) for f in findings] == [("threat", "block", 0.9), ("spam", "review", 0.5)]


def test_an_unscored_part_asks_for_at_least_a_review() -> None:
    assert decide_on({}, all_parts_scored=False) == "review"
    assert decide_on({"threat": 1.0}, all_parts_scored=False) == "block"


def test_the_policy_says_what_an_unscored_part_means() -> None:
    strict = Policy(name="strict", version=1, unscored_part="block", labels={})
    assert decide_on({}, all_parts_scored=False, policy=strict) == "block"


def test_an_unread_language_asks_for_what_the_policy_says() -> None:
    assert decide_on({}, all_understood=False) == "review"
    lenient = Policy(name="lenient", version=1, unread_language="allow", labels={})
    assert decide_on({}, all_understood=False, policy=lenient) == "allow"
    assert decide_on({}, all_parts_scored=False, all_understood=False, policy=lenient) == "review"


def test_what_an_unread_language_means_is_read_from_the_file() -> None:
    head = "name: a\nversion: 1\nlabels: {}\n"
    assert parse_policy(head + "unread_language: allow").unread_language == "allow"
    assert parse_policy(head).unread_language == "review"
    with pytest.raises(PolicyError, match=r"policy:4: .*sometimes"):
        parse_policy(head + "unread_language: sometimes")


def test_every_field_is_read_from_the_file() -> None:
    written = Policy(
        name="strict", version=3, tenant="t", applies=Selectors(("chat",), ("new",), ("de",)),
        unscored_part="block", unread_language="allow", failed_rule="block", urgent_self_harm=0.6,
        labels={"threat": Thresholds(0.25, 0.75, Limits(0.5)), "spam": Thresholds(alias="adverts")},
        rules=(Rule(name="r", when="true", decision="block", urgency="urgent", queue="q", tags=("t",)),),
    )  # fmt: skip
    fields = msgspec.structs.fields(Policy)
    assert all(getattr(written, field.name) != field.default for field in fields), "a field is missing above"
    assert parse_policy(yaml.safe_dump(msgspec.to_builtins(written))) == written


@given(st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1)), st.sampled_from(LABELS), st.floats(0, 1))
def test_a_higher_score_is_never_judged_more_mildly(scores: dict[str, float], label: str, score: float) -> None:
    higher = {**scores, label: max(score, scores.get(label, 0.0))}
    assert DECISIONS.index(decide_on(higher)) >= DECISIONS.index(decide_on(scores))  # type: ignore[arg-type]


def test_the_default_policy_is_valid_and_judges_every_label() -> None:
    policy = load_policy(DEFAULT)
    assert set(policy.labels) == set(LABELS)
    assert policy.ref.name == "default"


def test_where_an_image_says_most_its_own_limits_count() -> None:
    policy = parse_policy("name: a\nversion: 1\nlabels: {weapons: {review: 0.5, block: 0.8, image: {review: 0.9}}}")
    for score, elsewhere, pictured in ((0.6, "review", None), (0.85, "block", None), (0.95, "block", "review")):
        found = [find(policy, {"weapons": score}, labels) for labels in ((), ("weapons",))]
        assert [findings[0].decision if findings else None for findings in found] == [elsewhere, pictured]
    assert find(policy, {"weapons": 0.95}, ("weapons",))[0].threshold == 0.9
    assert find(policy, {"weapons": 0.6}, ("fire",))[0].threshold == 0.5


HEAD = "name: n\nversion: 1\n"


@pytest.mark.parametrize(
    ("text", "line", "mistake"),
    [
        ("", 1, "mapping"),
        ("- a", 1, "mapping"),
        ("version: 1\nlabels: {}", 1, "name"),
        ("name: n\nversion: one\nlabels: {}", 2, "Expected `int`"),
        (HEAD + "unscored_part: maybe\nlabels: {}", 3, "allowed: allow, review, block"),
        (HEAD + "extra: 1\nlabels: {}", 3, "extra"),
        (HEAD + "labels: 3", 3, "Expected `object`"),
        (HEAD + "labels:\n  threat: {review: 0.5}\n  thread: {review: 0.5}", 5, "unknown label 'thread'"),
        (HEAD + "labels:\n  spam: {review: 0.5}\n  threat:\n    review: 0.5\n    block: 1.5", 7, "<= 1.0"),
        (HEAD + "labels:\n  threat:\n    review: 0.5\n    ban: 0.9", 6, "ban"),
        (HEAD + "labels:\n  threat: {review: 0.9, block: 0.5}", 4, "above block"),
        (
            HEAD + "labels:\n  fire: {review: 0.5, image: {review: 0.9, block: 0.8}}",
            4,
            "fire: image: review (0.9) is above",
        ),
        (HEAD + "labels:\n  fire: {review: 0.5, image: {review: 0.4}}", 4, "image asks for less"),
        (HEAD + "labels:\n  fire: {review: 0.5, image: {block: 0.9}}", 4, "image asks for less"),
        (HEAD + "labels:\n  fire: {review: 0.5, image: {ban: 0.9}}", 4, "ban"),
        (HEAD + "labels:\n  threat: 0.5", 4, "Expected `object`"),
        (HEAD + "labels:\n  no: off", 3, "put it in quotes"),
        (HEAD + "labels: {}\napplies:\n  market: no", 5, "put it in quotes"),
        (HEAD + "labels: {}\napplies: {language: [de, DE]}", 4, "no verdict has the language 'DE'; there are: af, am"),
        (HEAD + "labels: {}\napplies: {language: hr}", 4, "no verdict has the language 'hr'"),
        ("name: n\nversion: [", 3, "node content"),
        ("name: n\na: b: c", 2, "mapping values"),
        ("name: n\n? [x, y]\n: 2", 2, "unhashable"),
        ("name: n\n---\nname: m", 2, "another document"),
        ("name: n\nversion: !!python/name:os.x ''", 2, "constructor"),
        ("name: n\nversion: !!timestamp x", 2, "no timestamp is written so"),
        ("name: n\nversion: 2026-99-99", 2, "no timestamp is written so"),
        ("name: n\nversion: !!bool x", 2, "no bool is written so"),
        ("name: n\nversion: " + "9" * 5000, 2, "no int is written so"),
        ("name: n\nversion: \x00", 2, "control characters"),
        ("name: n\nversion: \ud800", 2, "surrogates"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, mistake: str) -> None:
    with pytest.raises(PolicyError, match="policy.yaml") as caught:
        parse_policy(text, "policy.yaml")
    assert str(caught.value).startswith(f"policy.yaml:{line}:")
    assert mistake in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("name: a\nversion: 1\nlabels: {}\nname: b", 4, "name"),
        ("name: a\nversion: 1\nlabels:\n  threat: {review: 0.5}\n  spam: {}\n  threat: {}", 6, "threat"),
        ("name: a\nversion: 1\nlabels:\n  threat:\n    block: 0.5\n    block: 0.9", 6, "block"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_both_lines(text: str, line: int, key: str) -> None:
    with pytest.raises(PolicyError, match=rf"^mine.yaml:{line}: '{key}' stands here again, after line \d"):
        parse_policy(text, "mine.yaml")


def test_a_missing_file_is_a_policy_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.yaml"):
        load_policy(tmp_path / "none.yaml")
