"""What is counted of outcomes, and which posts are chosen to be shown."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.report.gathering import BestFew, find_margin, find_pictured, ordered_labels, summarise
from sluice.schema import LABELS, DetectedLanguage, PolicyRef, Reason, encode
from sluice.verdict.policy import Limits, Policy, Thresholds, decide, find
from tests.engine.cli.verdicts import make_verdict

POLICY = Policy(name="p", version=2, labels={"hate": Thresholds(0.5, 0.9), "spam": Thresholds(0.25)})


def judge(post_id: str, **scores: float) -> bytes:
    findings = find(POLICY, scores)
    reasons = tuple(Reason(f.label, f.score, f.threshold, {}) for f in findings)
    given = dict.fromkeys(LABELS, 0.0) | scores
    decision = decide(POLICY, findings, True, True)
    return encode(make_verdict(post_id, decision, scores=given, reasons=reasons, policy=POLICY.ref))


def test_everything_is_counted() -> None:
    late = encode(make_verdict("late", "review", modalities={"text": "ok", "image:1": "failed: late"},
                               language=DetectedLanguage("de", 0.9), policy=PolicyRef("p", 1)))  # fmt: skip
    lines = [judge("a", hate=0.95), judge("b", hate=0.6, spam=0.3), judge("b", hate=0.6), late,
             b'{"dead_letter": {"reason": "not_json", "detail": "x"}}']  # fmt: skip
    summary = summarise(lines, POLICY)
    assert summary.n_verdicts == 3
    assert summary.decisions == {"block": 1, "review": 2}
    assert summary.by_label == {"hate": {"block": 1, "review": 1}, "spam": {"review": 1}}
    assert summary.by_language == {"de": {"review": 1}}
    assert summary.statuses == {("image", "failed: late"): 1}
    assert summary.dead_letters == {"not_json": 1}
    assert summary.n_repeated == 1
    assert summary.policies == {("p", 2): 2, ("p", 1): 1}
    assert list(summary.latency_ms["total"]) == [11.0] * 3
    assert summary.histograms["hate"].tolist() == [1, *[0] * 11, 1, *[0] * 6, 1]
    assert ordered_labels(summary) == list(LABELS)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"post_id": "a"}', b'{"id": "a", "text": "b"}', b"\xff", b'"\xff"', b"[" * 100_000]
)
def test_a_line_that_is_no_outcome_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        summarise([line], POLICY)


def test_scores_at_the_ends_fall_into_the_last_bins() -> None:
    summary = summarise([judge("a", hate=1.0, spam=0.0)], POLICY)
    assert summary.histograms["hate"][-1] == 1
    assert summary.histograms["spam"][0] == 1


IMAGE_POLICY = Policy(name="p", version=2, labels={"weapons": Thresholds(0.5, 0.9, Limits(0.7))})


@pytest.mark.parametrize(
    ("parts", "score", "reached", "expected"),
    [
        ({"text": "ok"}, 0.45, None, 0.05),  # the label's own limit
        ({"image:0": "ok"}, 0.45, None, 0.25),  # an image's, far above
        ({"text": "ok", "image:0": "ok"}, 0.45, None, 0.05),  # nobody can tell: the nearer one
        ({"text": "ok", "image:0": "ok"}, 0.68, None, 0.02),  # over the label's own and allowed: it was the image's
        ({"text": "ok", "image:0": "ok"}, 0.72, 0.7, 0.02),  # the verdict says which it reached
        ({"text": "ok", "image:0": "ok"}, 0.72, 0.5, 0.18),
    ],
)
def test_what_an_image_says_has_limits_of_its_own(parts, score: float, reached: float | None, expected: float) -> None:
    reasons = () if reached is None else (Reason("weapons", score, reached, {}),)
    scores = {"weapons": score}
    verdict = make_verdict("a", "review" if reasons else "allow", scores=scores, reasons=reasons, modalities=parts)
    assert find_margin(IMAGE_POLICY, scores, find_pictured(IMAGE_POLICY, verdict)) == pytest.approx(expected)


def test_the_most_certain_and_the_borderline_posts_are_chosen() -> None:
    posts = {"sure": 0.99, "edge": 0.51, "far": 0.7, "nearly": 0.495, "never": 0.0}
    summary = summarise([judge(name, hate=score) for name, score in posts.items()], POLICY)
    assert [v.post_id for v in summary.certain.ordered()] == ["sure", "far", "edge"]
    assert [v.post_id for v in summary.borderline.ordered()][:3] == ["nearly", "edge", "sure"]
    assert summary.shown_ids() == set(posts)


@pytest.mark.parametrize(
    ("scores", "margin"),
    [
        ({"hate": 0.0, "spam": 0.0}, 0.25),
        ({"hate": 0.45, "spam": 0.0}, 0.05),
        ({"hate": 0.52, "spam": 0.8}, 0.38),  # spam would hold the review, so block is nearer
        ({"hate": 0.95, "spam": 0.26}, 0.05),
        ({"violence": 0.9}, 1.0),
    ],
)
def test_the_margin_is_what_another_decision_would_take(scores: dict[str, float], margin: float) -> None:
    assert find_margin(POLICY, scores) == pytest.approx(margin)


SCORES = st.fixed_dictionaries({label: st.floats(0, 1) for label in ("hate", "spam", "violence")})


@given(SCORES, st.floats(-1, 1))
def test_no_shift_of_all_scores_within_the_margin_turns_the_decision(scores: dict[str, float], share: float) -> None:
    shift = find_margin(POLICY, scores) * share * 0.999
    moved = {label: score + shift for label, score in scores.items()}
    assert decide(POLICY, find(POLICY, moved), True, True) == decide(POLICY, find(POLICY, scores), True, True)


@given(st.lists(st.integers(0, 5), max_size=50), st.integers(1, 5))
def test_the_best_few_are_those_of_a_sort(ranks: list[int], size: int) -> None:
    few: BestFew = BestFew(size)
    for number, rank in enumerate(ranks):
        few.offer(rank, make_verdict(str(number)))
    best = sorted(range(len(ranks)), key=lambda number: (-ranks[number], number))[:size]
    assert [verdict.post_id for verdict in few.ordered()] == [str(number) for number in best]
