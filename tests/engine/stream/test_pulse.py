"""What the worker knows it is waiting for."""

from __future__ import annotations

from sluice.stream.pulse import Pulse


class Clock:
    """Tells what it is set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_was_ever_waited_for_at_first() -> None:
    pulse = Pulse()
    assert pulse.tried_at == float("-inf")
    assert pulse.unpublished is None


def test_each_try_is_a_sign_of_life() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.wait()
    assert pulse.tried_at == 100.0
    clock.now = 105.0
    pulse.refuse("verdicts", "TopicAuthorizationFailedError")
    assert pulse.tried_at == 105.0


def test_an_outcome_that_was_taken_is_no_try_of_an_outage() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.wait()
    clock.now = 105.0
    pulse.publish("verdicts")
    assert pulse.tried_at == 100.0


def test_every_topic_that_refuses_is_named_with_its_last_reason() -> None:
    pulse = Pulse()
    pulse.refuse("verdicts", "first")
    pulse.refuse("reviews", "second")
    pulse.refuse("verdicts", "third")
    assert pulse.unpublished == "outcomes cannot be published: verdicts: third, reviews: second"


def test_one_topic_that_takes_outcomes_again_does_not_speak_for_another() -> None:
    pulse = Pulse()
    pulse.refuse("verdicts", "away")
    pulse.refuse("reviews", "away")
    pulse.publish("verdicts")
    assert pulse.unpublished == "outcomes cannot be published: reviews: away"
    pulse.publish("never refused")
    pulse.publish("reviews")
    assert pulse.unpublished is None
