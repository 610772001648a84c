"""A policy tried on verdicts decides as it would have decided the posts."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.backtest.changes import Changes, Retrial
from sluice.backtest.figures import make_figures
from sluice.backtest.guards import parse_guard
from sluice.schema import LABELS, DetectedLanguage, Media, Post, Verdict, decode_verdict, encode
from sluice.verdict.facts import Facts, basis_of
from sluice.verdict.policy import Limits, Policy, Rule, Selectors, Thresholds
from sluice.verdict.policy_set import PolicySet
from tests.engine.cli.verdicts import make_reason, make_verdict

SHARE = st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, 1.0])
WORDS = st.sampled_from([None, "feed", "chat"])
LIMITS = st.builds(Limits, st.none() | SHARE, st.none() | SHARE)
THRESHOLDS = st.builds(Thresholds, st.none() | SHARE, st.none() | SHARE, image=st.none() | LIMITS)
RULES = (
    Rule(name="new", when="author_standing == 'chat' && text_chars > 2", decision="block", tags=("new",)),
    Rule(name="seen", when="n_images + n_clips > 1 || created_at == 'feed'", queue="pictures"),
    Rule(name="part", when="parts.exists(name, parts[name] != 'ok') && scores.hate > 0.4", decision="review"),
)


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    post = Post(
        id="p-1", text=draw(st.sampled_from([None, "", "hi", "hello you"])), tenant=draw(WORDS), surface=draw(WORDS),
        images=(Media("data:,"),) * draw(st.integers(0, 2)), audio=(Media("data:,"),) * draw(st.integers(0, 1)),
        author_standing=draw(WORDS), created_at=draw(WORDS),
    )  # fmt: skip
    scores = {label: draw(SHARE) for label in LABELS[:3]}
    parts = {"text": draw(st.sampled_from(["ok", "failed: late", "partial: 1 of 2"]))}
    return Facts(
        post, scores, dict.fromkeys(scores, 0.0), draw(st.sets(st.sampled_from(LABELS[:3]))), parts,
        draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["", "en", "de"])),
    )  # fmt: skip


@st.composite
def all_policies(draw: st.DrawFn) -> PolicySet:
    default = Policy(
        name="default", version=1, labels={label: draw(THRESHOLDS) for label in LABELS[:3]},
        unscored_part=draw(st.sampled_from(["allow", "review"])), rules=draw(st.sampled_from([(), RULES])),
    )  # fmt: skip
    german = msgspec.structs.replace(default, name="german", applies=Selectors(language=("de",)), labels={})
    return PolicySet.of(default, msgspec.structs.replace(german, name="feed", tenant="feed"), german)


def decide(policies: PolicySet, facts: Facts) -> Verdict:
    """As the pipeline does, and through the topic."""
    said = policies.choose(facts.post, facts.language).judge(facts)
    verdict = make_verdict(
        facts.post.id, said.decision, scores=dict(facts.scores), severity=dict(facts.severity),
        modalities=dict(facts.parts), basis=basis_of(facts), tenant=facts.post.tenant, surface=facts.post.surface,
        language=DetectedLanguage(facts.language, 0.0) if facts.language else None,
        reasons=tuple(make_reason(finding.label, finding.score) for finding in said.findings),
    )  # fmt: skip
    return decode_verdict(encode(verdict))


@settings(max_examples=200, deadline=None)
@given(all_facts(), all_policies(), all_policies())
def test_it_decides_as_a_live_run_would(facts: Facts, old: PolicySet, new: PolicySet) -> None:
    was, would_be = decide(old, facts), decide(new, facts)
    retrial = Retrial(new)
    retrial.add(was)
    assert retrial.changes.turns == {(was.decision, would_be.decision): 1}


STRICT = PolicySet.of(Policy(name="strict", version=2, labels={"hate": Thresholds(0.2, 0.8)}))


def verdict_of(post_id: str, decision: str, hate: float, **fields: object) -> Verdict:
    reasons = (make_reason("hate", hate),) if decision != "allow" else ()
    return make_verdict(
        post_id, decision, scores={**dict.fromkeys(LABELS, 0.0), "hate": hate}, reasons=reasons, **fields
    )


def tried(*verdicts: Verdict) -> Changes:
    retrial = Retrial(STRICT)
    for verdict in verdicts:
        retrial.add(verdict)
    return retrial.changes


def test_changes_are_counted_by_label_language_and_tenant() -> None:
    english = DetectedLanguage("en", 0.9)
    changes = tried(
        verdict_of("a", "allow", 0.5, language=english, tenant="games"),
        verdict_of("b", "review", 0.1),
        verdict_of("c", "block", 0.9, language=english),
    )
    assert changes.turns == {("allow", "review"): 1, ("review", "allow"): 1, ("block", "block"): 1}
    assert (changes.n_posts, changes.n_changed, changes.count("review")) == (3, 2, (1, 1))
    assert changes.by_label["hate"] == {("clear", "flagged"): 1, ("flagged", "clear"): 1, ("flagged", "flagged"): 1}
    assert changes.by_language["en"] == {("allow", "review"): 1, ("block", "block"): 1}
    assert changes.by_tenant["games"] == {("allow", "review"): 1}


def test_a_post_counts_once() -> None:
    changes = tried(verdict_of("a", "allow", 0.0), verdict_of("a", "allow", 0.9))
    assert (changes.n_posts, changes.n_repeated, changes.n_changed) == (1, 1, 0)


def test_posts_of_two_tenants_may_have_one_id() -> None:
    changes = tried(verdict_of("a", "allow", 0.0, tenant="x"), verdict_of("a", "allow", 0.9, tenant="y"))
    assert (changes.n_posts, changes.n_repeated) == (2, 0)


def test_those_that_change_most_are_shown_first() -> None:
    changes = tried(verdict_of("a", "allow", 0.5), verdict_of("b", "allow", 0.9), verdict_of("c", "allow", 0.7))
    assert [each.verdict.post_id for each in changes.examples()] == ["b", "c", "a"]
    assert make_figures(changes, ()).examples[0].would_be == "block"


def test_the_figures_are_the_same_in_whatever_order_verdicts_come() -> None:
    verdicts = [verdict_of("a", "allow", 0.5), verdict_of("b", "review", 0.1), verdict_of("c", "block", 0.9)]
    figures = [make_figures(tried(*order), ()) for order in (verdicts, verdicts[::-1])]
    assert figures[0].turns == figures[1].turns
    assert [list(each.by_label[0].turns) for each in figures] == [["clear>flagged", "flagged>clear"]] * 2


def test_verdicts_of_earlier_versions_are_counted_apart() -> None:
    unread = verdict_of("a", "review", 0.0, modalities={"text": "failed: late"})
    changes = tried(unread)
    assert changes.n_without_basis == 1
    assert changes.turns == {("review", "review"): 1}


def test_posts_that_a_first_stage_cleared_are_counted_apart() -> None:
    cleared = verdict_of("a", "allow", 0.0, models={"stage": "first", "first_stage": "1"})
    full = verdict_of("b", "allow", 0.0, models={"stage": "full", "first_stage": "1", "fusion": "1"})
    assert make_figures(tried(cleared, full), ()).cleared == 1


def test_guards_are_held_against_what_was_measured() -> None:
    guards = (parse_guard("review=+1%"), parse_guard("block=+0%"), parse_guard("changed=60%"))
    figures = make_figures(tried(verdict_of("a", "allow", 0.9), verdict_of("b", "review", 0.5)), (), guards)
    assert [(each.measured, each.broken) for each in figures.guards] == [(0.0, False), (None, True), (50.0, False)]
    assert figures.is_broken
