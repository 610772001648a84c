"""Texts that the first stage clears are read by no other model; all others are read as if there were none."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from sluice.contract import FIRST_STAGE, FUSION, LABELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceUnavailable
from sluice.features import Features, Language, Languages, Row
from sluice.inference import Array, Arrays, Clearance
from sluice.inference.fake import quiet
from sluice.modalities.first_stage import is_plainly_benign, may_be_asked
from sluice.schema import Post
from sluice.verdict.policy import Limits, Policy, Rule, Thresholds
from sluice.verdict.policy_set import PolicySet
from tests.engine.pipelines import POLICY, Bench, extract_text, finds
from tests.engine.test_repeated_posts import RepeatBench

CLEARANCE = Clearance({"en": 0.0}, {"threat": 0.4})
FULL = {"stage": "full", "first_stage": "0", "text_encoder": "0", "fusion": "0"}
FIRST = {"stage": "first", "first_stage": "0"}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.classifier.clearance = CLEARANCE
    return bench


def outcomes(bench: Bench) -> dict[str, float]:
    names = ("cleared", "passed")
    return {name: bench.count("sluice_first_stage_texts_total", outcome=name) for name in names}


async def decide_by(bench: Bench, policy: Policy, **fields: object) -> dict[str, str]:
    bench.pipeline.use_policies(PolicySet.of(POLICY, policy) if policy.tenant else PolicySet.of(policy))
    return (await bench.score(text="see you at lunch", **fields)).models


async def test_a_text_that_is_cleared_is_read_by_no_other_model(bench: Bench) -> None:
    bench.classifier.errors = {TEXT_ENCODER.name: InferenceError("read"), FUSION.name: InferenceError("fused")}
    verdict = await bench.score(text="see you at lunch")
    assert (verdict.decision, verdict.models, verdict.modalities) == ("allow", FIRST, {"text": "ok"})
    assert set(verdict.scores) == set(verdict.severity) == set(LABELS)
    assert set(verdict.scores.values()) == {0.01}
    assert verdict.language is not None
    assert verdict.language.code == "en"
    assert outcomes(bench) == {"cleared": 1.0, "passed": 0.0}


async def test_what_is_not_plainly_benign_is_read_in_full(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("first_stage", "text_encoder"))
    verdict = await bench.score(text="I will come")
    assert (verdict.decision, verdict.models) == ("block", FULL)
    assert verdict.reasons[0].evidence
    assert outcomes(bench) == {"cleared": 0.0, "passed": 1.0}


async def test_without_one_nothing_is_said_of_it(bench: Bench) -> None:
    bench.classifier.clearance = None
    assert (await bench.score(text="see you at lunch")).models == {"text_encoder": "0", "fusion": "0"}
    assert outcomes(bench) == {"cleared": 0.0, "passed": 0.0}


async def test_a_text_beside_media_is_read_in_full(bench: Bench) -> None:
    verdict = await bench.score(text="see you at lunch", images=[{"uri": "a:ok"}])
    assert "stage" not in verdict.models
    assert "text_encoder" in verdict.models


async def test_a_post_without_text_needs_none(bench: Bench) -> None:
    assert (await bench.score(images=[{"uri": "a:ok"}])).modalities == {"image:0": "ok"}


@pytest.mark.parametrize("languages", [Languages(Language("de", 0.9)), Languages(Language("en", 0.9), ("th",))])
async def test_a_language_that_it_was_not_measured_on_is_read_in_full(bench: Bench, languages: Languages) -> None:
    bench.languages = languages
    assert "stage" not in (await bench.score(text="see you at lunch")).models


async def test_a_refused_text_is_read_in_full(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.classifier.errors[FIRST_STAGE.name] = InferenceError("refused: see you at lunch")
    verdict = await bench.score(text="see you at lunch")
    assert verdict.models == {"text_encoder": "0", "fusion": "0"}
    assert caplog.messages == ["the first stage refused a text: InferenceError"]


async def test_while_it_is_away_posts_wait_as_for_any_model(bench: Bench) -> None:
    bench.classifier.errors[FIRST_STAGE.name] = InferenceUnavailable("away", FIRST_STAGE.name)
    with pytest.raises(InferenceUnavailable):
        await bench.score(text="see you at lunch")


async def test_a_text_that_comes_too_late_for_it_is_late(bench: Bench) -> None:
    bench.classifier.delay_s[FIRST_STAGE.name] = 60.0
    verdict = await bench.score(text="see you at lunch", deadline_ms=10)
    assert verdict.modalities["text"].startswith("failed")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"threat": Thresholds(review=0.4)}, FIRST),
        ({"threat": Thresholds(block=0.9)}, FIRST),
        ({"threat": Thresholds(review=0.39)}, FULL),
        ({"threat": Thresholds(review=0.4, image=Limits(review=0.2))}, FULL),
        ({"threat": Thresholds(review=0.4), "spam": Thresholds(review=0.9)}, FULL),
        ({"threat": Thresholds(review=0.4), "spam": Thresholds()}, FIRST),
    ],
)
async def test_a_policy_that_asks_for_more_than_was_measured_has_every_text_read(
    bench: Bench, labels: dict[str, Thresholds], expected: dict[str, str]
) -> None:
    policy = msgspec.structs.replace(POLICY, labels=labels)
    assert ("stage" in await decide_by(bench, policy)) is (expected is FIRST)


@pytest.mark.parametrize(
    ("when", "is_asked"), [("scores.threat > 0.1", False), ("severity.threat > 0.1", False), ("text_chars > 3", True)]
)
async def test_a_rule_that_reads_scores_has_every_text_read(bench: Bench, when: str, is_asked: bool) -> None:
    policy = msgspec.structs.replace(POLICY, rules=(Rule(name="r", when=when, tags=("t",)),))
    assert ("stage" in await decide_by(bench, policy)) is is_asked


async def test_a_strict_tenant_slows_down_nobody_else(bench: Bench) -> None:
    strict = msgspec.structs.replace(POLICY, name="strict", tenant="a", labels={"threat": Thresholds(review=0.1)})
    assert "stage" not in await decide_by(bench, strict, tenant="a")
    assert "stage" in await decide_by(bench, strict, tenant="b")


def answer(suspicion: float, **probabilities: float) -> Arrays:
    expected = quiet(FIRST_STAGE, {})
    for label, probability in probabilities.items():
        expected[LABELS.index(label)] = probability
    return {"logits": np.log(expected / (1 - expected)), "suspicion": np.array([suspicion], np.float32)}


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (answer(-0.1), True),
        (answer(0.0), False),
        (answer(float("nan")), False),
        (answer(-0.1, threat=0.41), False),
        (answer(-0.1, threat=0.39996), False),
        (answer(-0.1, threat=0.39994), True),
        (answer(-0.1, spam=0.9), True),
        ({**answer(-0.1), "logits": np.full(len(LABELS), np.nan, np.float32)}, False),
    ],
)
def test_a_text_is_benign_if_nothing_speaks_against_it(outputs: Arrays, expected: bool) -> None:
    assert is_plainly_benign(outputs, "en", CLEARANCE) is expected


def test_a_language_has_a_limit_of_its_own() -> None:
    clearance = Clearance({"en": 0.0, "zh": 1.5, "de": float("nan")}, {"threat": 0.4})
    cleared = [is_plainly_benign(answer(1.0), language, clearance) for language in ("en", "zh", "de", "fr", None)]
    assert cleared == [False, True, False, False, False]


def read(text: str = "see you at lunch", **changes: object) -> Features[Row]:
    features: Features[Row] = replace(extract_text(text), languages=Languages(Language("en", 0.9)))  # type: ignore[assignment]
    return replace(features, **changes)  # type: ignore[arg-type]


def test_only_a_text_that_it_reads_whole_is_asked_about() -> None:
    (row,) = read().rows
    assert may_be_asked(read(), CLEARANCE)
    assert may_be_asked(read(rows=(row, row), wider={1: row}), CLEARANCE)
    assert not may_be_asked(read(rows=(row, row)), CLEARANCE)
    assert not may_be_asked(read(partial="1 of 2 windows read"), CLEARANCE)
    assert not may_be_asked(read(languages=None), CLEARANCE)


async def test_it_is_asked_about_the_whole_text_alone(bench: Bench) -> None:
    asked: list[Arrays] = []

    def script(model: ModelSpec, row: Arrays) -> Array:
        asked.append(row)
        return quiet(model, row)

    bench.classifier.script = script
    await bench.score(text="see you at lunch")
    (row,) = asked
    assert row["input_ids"].tolist() == extract_text("see you at lunch").rows[0].input_ids.tolist()


async def test_a_policy_asked_about_another_first_stage_counts_for_nothing(bench: Bench) -> None:
    def replaced(model: ModelSpec, row: Arrays) -> Array:
        bench.classifier.clearance = Clearance({"en": 0.0}, {"threat": 0.7})
        return quiet(model, row)

    bench.classifier.script = replaced
    assert (await bench.score(text="see you at lunch")).models == {"text_encoder": "0", "fusion": "0"}


async def test_who_needs_scores_has_all_models_read_also_what_was_cleared_before() -> None:
    bench = RepeatBench()
    bench.classifier.clearance = CLEARANCE
    await bench.know()
    while bench.pipeline._identities.find((FIRST_STAGE, TEXT_ENCODER, FUSION)) is None:
        await asyncio.sleep(0)
    await bench.scored(text="one two")
    verdict = await bench.pipeline.score(Post(id="p", text="one two"), in_full=True)
    assert (verdict.models, verdict.cached) == ({"text_encoder": "0", "fusion": "0"}, ())
    again = await bench.pipeline.score(Post(id="q", text="one two"), in_full=True)
    assert (again.models, again.cached) == (verdict.models, ("text",))
    await bench.pipeline.close()


async def test_a_cleared_post_still_meets_its_policys_rules(bench: Bench) -> None:
    policy = msgspec.structs.replace(POLICY, rules=(Rule(name="short", when="text_chars < 99", decision="review"),))
    bench.pipeline.use_policies(PolicySet.of(policy))
    verdict = await bench.score(text="see you at lunch")
    assert (verdict.decision, verdict.models["stage"]) == ("review", "first")


async def test_a_text_that_was_cleared_is_not_looked_at_again() -> None:
    bench = RepeatBench()
    bench.classifier.clearance = CLEARANCE
    await bench.know()
    while bench.pipeline._identities.find((FIRST_STAGE, TEXT_ENCODER, FUSION)) is None:
        await asyncio.sleep(0)
    first, asked = await bench.scored(text="one two")
    assert (asked, first.models["stage"]) == (["first_stage"], "first")
    again, asked = await bench.scored(text="one two")
    assert (asked, again.cached, again.models) == ([], ("text",), first.models)
    bench.classifier.clearance = Clearance(CLEARANCE.languages, {"threat": 0.4, "spam": 0.5})
    _, asked = await bench.scored(text="one two")
    assert asked == ["first_stage"], "what it may clear is another thing now"
    await bench.pipeline.close()


async def test_no_verdict_is_repeated_while_it_is_not_known_which_first_stage_answers() -> None:
    bench = RepeatBench()
    bench.classifier.clearance = CLEARANCE
    bench.classifier.errors[FIRST_STAGE.name] = InferenceError("refused")
    await bench.know()
    for _ in range(2):
        _, asked = await bench.scored(text="one two")
        assert {"fusion", "text_encoder"} <= set(asked)
    await bench.pipeline.close()
