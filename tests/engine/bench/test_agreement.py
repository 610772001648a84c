"""When two answers are the same."""

import json

from sluice.bench.agreement import compare


def answer(post_id, decision="allow", score=0.2, **fields):
    return json.dumps({"post_id": post_id, "decision": decision, "scores": {"hate": score}, **fields}).encode()


def test_the_same_answers():
    found = compare({"a": answer("a"), "b": answer("b")}, {"a": answer("a", score=0.2004), "c": answer("c")})
    assert (found.n_compared, found.n_same) == (1, 1)
    assert 0 < found.max_difference < 0.001


def test_another_decision_or_score_is_another_answer():
    one = {"a": answer("a"), "b": answer("b"), "c": answer("c")}
    two = {"a": answer("a", "block"), "b": answer("b", score=0.3), "c": answer("c")}
    found = compare(one, two)
    assert (found.n_compared, found.n_same) == (3, 1)


def test_posts_that_were_not_read_whole_are_left_out():
    one = {"a": answer("a", "review", modalities={"text": "partial: a language that is not read"})}
    assert compare(one, {"a": answer("a")}).n_compared == 0


def test_of_a_text_that_was_cleared_the_decision_counts():
    one = {"a": answer("a", score=0.3), "b": answer("b", "review", score=0.3)}
    cleared = {post_id: answer(post_id, models={"stage": "first"}) for post_id in one}
    found = compare(one, cleared)
    assert (found.n_compared, found.n_same, found.max_difference) == (2, 1, 0.0)
    read = {"a": answer("a", models={"stage": "full"})}
    assert compare(one, read).n_same == 0


def test_of_nothing_nothing_is_compared():
    assert compare({}, {}).max_difference == 0.0
