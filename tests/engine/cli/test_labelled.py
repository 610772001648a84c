"""Verdicts and people's labels of the same posts, brought together."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.cli.labelled import Scores, join, read_truths, read_verdicts
from sluice.errors import CalibrationError
from sluice.schema import LABELS, encode
from tests.engine.cli.verdicts import make_verdict

THREAT = LABELS.index("threat")


def verdict_line(post_id: str, **scores: float) -> bytes:
    return encode(make_verdict(post_id, scores={**dict.fromkeys(LABELS, 0.0), **scores}))


def label_line(post_id: str, **labels: int) -> bytes:
    return json.dumps({"post_id": post_id, "labels": labels}).encode()


def dead_letter(**fields: object) -> bytes:
    return json.dumps({"dead_letter": {"reason": "not_json", **fields}}).encode()


def test_of_several_verdicts_of_a_post_the_last_counts() -> None:
    found = read_verdicts(b"\n".join([verdict_line("a", threat=0.1), verdict_line("a", threat=0.9)]), "v")
    assert found.verdicts[None, "a"].scores["threat"] == 0.9


def test_dead_letters_and_empty_lines_are_no_verdicts() -> None:
    found = read_verdicts(b"\n\n".join([dead_letter(), verdict_line("a"), dead_letter(line=3), b"  "]), "v")
    assert (list(found.verdicts), found.n_dead_letters) == ([(None, "a")], 2)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'"a"', b"\xff", b'{"dead_letter": "why"}', b'{"post_id": "", "scores": {}, "models": {}}']
)
def test_a_line_that_is_neither_is_named(line: bytes) -> None:
    with pytest.raises(CalibrationError, match=r"^verdicts:3: not a verdict"):
        read_verdicts(b"\n".join([verdict_line("a"), b"", line]), "verdicts")


@pytest.mark.parametrize("label", ["toxicity", LABELS[-1]])
def test_a_verdict_without_a_labels_score_is_of_another_version(label: str) -> None:
    scores = {name: 0.0 for name in LABELS if name != label}
    with pytest.raises(CalibrationError, match=rf"v:1: no score for {label}"):
        read_verdicts(encode(make_verdict("a", scores=scores)), "v")


def test_what_is_not_asked_of_a_label_line_is_passed_over() -> None:
    line = json.dumps({"post_id": "a", "labels": {"threat": 1}, "annotator": "x", "at": 3}).encode()
    assert read_truths(line, "labels") == {(None, "a"): {"threat": 1}}


def test_a_post_that_is_labelled_twice_names_both_lines() -> None:
    lines = [label_line("a", threat=0), b"", label_line("b"), label_line("a", threat=0)]
    with pytest.raises(CalibrationError, match="labels:4: post 'a' stands in line 1 too"):
        read_truths(b"\n".join(lines), "labels")


@pytest.mark.parametrize("value", [2, 0.5, -1, "yes", None, True])
def test_a_label_is_0_or_1(value: object) -> None:
    line = json.dumps({"post_id": "a", "labels": {"threat": value}}).encode()
    with pytest.raises(CalibrationError, match="labels:1: not a post's labels"):
        read_truths(line, "labels")


def test_an_unknown_label_is_named_beside_the_known_ones() -> None:
    with pytest.raises(CalibrationError, match=r"unknown label 'rude'; known: toxicity, .*" + LABELS[-1]):
        read_truths(label_line("a", threat=0, rude=1), "labels")


def scores_of(*lines: bytes) -> Scores:
    return read_verdicts(b"\n".join(lines), "v")


def test_what_is_left_out_is_counted() -> None:
    scores = scores_of(*map(verdict_line, "abcefg"), dead_letter())
    joined = join(scores, {(None, post_id): {} for post_id in "bcdh"})
    assert (joined.n_unlabelled, joined.n_unscored, joined.n_dead_letters) == (4, 2, 1)
    assert joined.posts.scores.shape == (2, len(LABELS))


def test_scores_that_a_first_stage_expects_are_counted() -> None:
    lines = [encode(make_verdict(each, models={"stage": each, "first_stage": "1"})) for each in ("first", "full")]
    joined = join(scores_of(*lines, verdict_line("a")), {(None, each): {} for each in ("first", "full", "a")})
    assert joined.n_cleared == 1
    assert "first_stage 1" in joined.models
    assert not any(model.startswith("stage") for model in joined.models)


def test_a_label_that_was_not_annotated_is_open() -> None:
    joined = join(scores_of(verdict_line("a", threat=0.25)), {(None, "a"): {"threat": 1}})
    assert joined.posts.scores[0, THREAT] == 0.25
    assert joined.posts.truths[0, THREAT] == 1
    assert np.isnan(np.delete(joined.posts.truths[0], THREAT)).all()


def test_posts_of_two_tenants_with_one_id_have_labels_of_their_own() -> None:
    scores = scores_of(*(encode(make_verdict("a", tenant=tenant)) for tenant in ("forum", "shop", None)))
    lines = [label_line("a", threat=0), b'{"post_id": "a", "tenant": "shop", "labels": {"threat": 1}}']
    joined = join(scores, read_truths(b"\n".join(lines), "labels"))
    assert joined.posts.truths[:, THREAT].tolist() == [0, 0, 1], "of no tenant, of the forum, of the shop"
    assert (joined.n_unlabelled, joined.n_unscored) == (0, 0)


def test_models_are_named_once_with_every_version_that_scored() -> None:
    lines = [encode(make_verdict(str(n), models={"fusion": str(n % 2), "text_encoder": "1"})) for n in range(4)]
    joined = join(scores_of(*lines), {(None, str(n)): {} for n in range(4)})
    assert joined.models == ["fusion 0", "fusion 1", "text_encoder 1"]


def test_files_of_different_posts_are_an_error_that_counts_both() -> None:
    with pytest.raises(CalibrationError, match="none of the 1 labelled posts has a verdict among the 2 scored"):
        join(scores_of(verdict_line("a"), verdict_line("b")), {(None, "c"): {"threat": 1}})


numbers = st.integers(0, 8)


@settings(max_examples=30)
@given(st.lists(numbers, unique=True, min_size=1), st.lists(numbers, unique=True), st.randoms())
def test_the_order_of_the_lines_does_not_matter(scored: list[int], labelled: list[int], rng: random.Random) -> None:
    truths = {(None, str(n)): {"threat": n % 2} for n in {*labelled, scored[0]}}
    lines = [verdict_line(str(n), threat=n / 8) for n in scored]
    first = join(scores_of(*lines), truths)
    shuffled = dict(sorted(truths.items(), key=lambda _: rng.random()))
    second = join(scores_of(*rng.sample(lines, len(lines))), shuffled)
    assert np.array_equal(first.posts.scores, second.posts.scores)
    assert np.array_equal(first.posts.truths, second.posts.truths, equal_nan=True)
    assert len(first.posts.scores) == len(set(scored) & {int(key) for _, key in truths})
