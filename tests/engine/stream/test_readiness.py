"""What is lacking is said, and asking costs little."""

from __future__ import annotations

from sluice.errors import InferenceUnavailable, KafkaUnavailable
from sluice.stream.pulse import Pulse
from sluice.stream.readiness import MODEL_AGE_S, TOPICS_AGE_S, TopicsExist, all_of, models_answer, when


async def test_the_first_that_lacks_something_speaks() -> None:
    assert await all_of(when(lambda: None), when(lambda: None))() is None
    assert await all_of(when(lambda: None), when(lambda: "one"), when(lambda: "two"))() == "one"


async def test_models_are_asked_only_if_they_have_not_answered_lately() -> None:
    ages: list[float] = []
    error: InferenceUnavailable | None = None

    async def confirm(max_age_s: float) -> None:
        ages.append(max_age_s)
        if error:
            raise error

    assert await models_answer(confirm)() is None
    error = InferenceUnavailable("fusion is away")
    assert await models_answer(confirm)() == "fusion is away"
    assert ages == [MODEL_AGE_S] * 2


async def test_topics_are_asked_for_once_in_a_while() -> None:
    now, n_reads, there = 0.0, 0, {"verdicts"}

    def read() -> set[str]:
        nonlocal n_reads
        n_reads += 1
        return there

    check = TopicsExist(("verdicts", "reviews"), read, lambda: now)
    assert await check() == "outcomes cannot be published: Kafka has no topic reviews"
    there.add("reviews")
    assert await check() is not None
    assert n_reads == 1
    now += TOPICS_AGE_S + 0.1
    assert await check() is None


async def test_a_kafka_that_does_not_answer_is_said() -> None:
    def read() -> set[str]:
        raise KafkaUnavailable("Kafka at k:1: no broker")

    assert await TopicsExist(("verdicts",), read)() == "Kafka at k:1: no broker"


def test_what_cannot_be_published_is_known_until_it_can() -> None:
    pulse = Pulse()
    assert pulse.unpublished is None
    pulse.refuse("verdicts", "UnknownTopicOrPartitionError")
    assert pulse.unpublished == "outcomes cannot be published: verdicts: UnknownTopicOrPartitionError"
    pulse.publish("verdicts")
    assert pulse.unpublished is None
