"""A post in, a verdict out, over the fakes of our own seams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from sluice.bytebudget import Lease
from sluice.contract import FUSION, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceUnavailable, MediaUnavailable
from sluice.evidence import ListMatch
from sluice.features import Language, Languages
from sluice.hashes.bank import HashEntry, make_bank
from sluice.hashes.finder import BankFinder, digests_of
from sluice.inference import Arrays
from sluice.lists.entries import Entry
from sluice.lists.finder import ListFinder
from sluice.metrics import Metrics
from sluice.pipeline import Pipeline
from sluice.schema import LABELS, DetectedLanguage, Media, PolicyRef, Post, RuleReason, decode_verdict, encode
from sluice.verdict.facts import recall
from sluice.verdict.known import Known
from sluice.verdict.policy import Policy, Rule, Thresholds
from sluice.verdict.policy_set import PolicySet
from sluice.verdict.watchlist import Watchlist
from tests.engine.pipelines import NAMED, POLICY, SHOWN, Bench, finds


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_no_more_media_than_there_is_room_for_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, held = Bench(max_media_bytes=30), [0, 0]

    async def fetch(_uri: str, lease: Lease) -> bytes:
        await lease.grow(10)
        held[0] += 1
        held[1] = max(held)
        for _ in range(5):
            await asyncio.sleep(0)
        held[0] -= 1
        raise MediaUnavailable("not_found", "gone")

    monkeypatch.setattr(bench.fetcher, "fetch", fetch)
    verdict = await bench.score(text="hello", images=[{"uri": "a:ok"}] * 8)
    assert held == [0, 3]
    assert list(verdict.modalities.values()) == ["ok", *["failed: gone"] * 8]


async def test_the_ninth_picture_and_the_fifth_clip_are_named_and_the_rest_is_scored(bench: Bench) -> None:
    verdict = await bench.score(text="hello", images=[{"uri": "a:ok"}] * 9, audio=[{"uri": "a:ok"}] * 5)
    failed = {name: status for name, status in verdict.modalities.items() if status != "ok"}
    assert failed == {"image:8": "failed: only 8 images are read", "audio:4": "failed: only 4 clips are read"}
    assert len(verdict.modalities) == 15
    assert verdict.decision == "review"


async def test_nothing_found_is_allowed_with_every_score(bench: Bench) -> None:
    verdict = await bench.score(text="see you at lunch", images=[{"uri": "a:ok"}], audio=[{"uri": "a:ok"}])
    assert verdict.decision == "allow"
    assert set(verdict.scores) == set(verdict.severity) == set(LABELS)
    assert verdict.modalities == {"text": "ok", "image:0": "ok", "audio:0": "ok"}
    assert verdict.reasons == ()
    assert verdict.scored_at == "1970-01-01T00:16:40.000Z"


async def test_a_verdict_carries_the_language_of_its_text(bench: Bench) -> None:
    verdict = await bench.score(text="see you at lunch")
    assert verdict.language == DetectedLanguage("en", 0.98)
    assert bench.count("sluice_texts_total", language="en", decision="allow") == 1.0
    assert (await bench.score(images=[{"uri": "a:ok"}])).language is None


async def test_a_language_that_is_not_read_is_told_and_reviewed(bench: Bench) -> None:
    bench.languages = Languages(Language("th", 0.99), ("th", "ru"))
    verdict = await bench.score(text="see you at lunch", images=[{"uri": "a:ok"}])
    assert verdict.modalities == {"text": "partial: Thai and Russian are not read", "image:0": "ok"}
    assert verdict.decision == "review"
    assert verdict.language == DetectedLanguage("th", 0.99)
    assert bench.count("sluice_texts_total", language="other", decision="review") == 1.0
    assert bench.count("sluice_texts_total", language="th", decision="review") == 0.0


async def test_a_policy_may_allow_what_is_not_read_and_the_verdict_still_says_so(bench: Bench) -> None:
    bench.languages = Languages(Language("th", 0.99), ("th",))
    lenient = msgspec.structs.replace(POLICY, unread_language="allow")
    pipeline = Pipeline(bench.modalities, bench.classifier, PolicySet.of(lenient), Metrics(CollectorRegistry()))
    verdict = await pipeline.score(Post(id="p", text="see you at lunch"))
    assert (verdict.decision, verdict.modalities["text"]) == ("allow", "partial: Thai is not read")


async def test_a_finding_comes_with_threshold_contributions_and_evidence(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("text_encoder",))
    verdict = await bench.score(text="I will come", images=[{"uri": "a:ok"}])
    assert verdict.decision == "block"
    (reason,) = verdict.reasons
    assert (reason.label, reason.score, reason.threshold) == ("threat", 0.95, 0.9)
    assert reason.contributions == {"text": pytest.approx(0.94), "image:0": 0.0}
    assert list(msgspec.to_builtins(reason.evidence)) == [{"modality": "text", "start": 0, "end": 11}]


async def test_evidence_of_pictures_and_clips_carries_their_index(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("image_encoder", "audio_encoder"))
    verdict = await bench.score(images=[{"uri": "a:ok"}], audio=[{"uri": "a:ok"}])
    evidence = list(msgspec.to_builtins(verdict.reasons[0].evidence))
    assert evidence == [
        {"modality": "image", "index": 0, "box": (0.0, 0.0, 0.5, 0.5)},
        {"modality": "audio", "index": 0, "start_s": 0.0, "end_s": 2.0},
    ]


@pytest.mark.parametrize(
    ("uri", "status", "reason"),
    [
        ("a:broken", "failed: not an image", "not_image"),
        ("a:none", "failed: unreachable: no such host", "unreachable"),
        ("a:bug", "failed: internal error: RuntimeError", "internal"),
    ],
)
async def test_a_part_that_fails_is_reported_and_the_rest_is_scored(
    bench: Bench, uri: str, status: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = await bench.score(text="hello", images=[{"uri": "a:ok"}, {"uri": uri}])
    assert verdict.decision == "review"
    assert verdict.modalities == {"text": "ok", "image:0": "ok", "image:1": status}
    assert bench.count("sluice_failed_parts_total", modality="image", reason=reason) == 1
    assert "secret" not in caplog.text


async def test_a_part_read_only_partly_asks_for_a_review(bench: Bench) -> None:
    verdict = await bench.score(images=[{"uri": "a:long"}])
    assert (verdict.decision, verdict.modalities) == ("review", {"image:0": "partial: 4 of 9 frames read"})


async def test_a_post_whose_parts_all_fail_still_gets_a_verdict(bench: Bench) -> None:
    verdict = await bench.score(images=[{"uri": "a:none"}])
    assert verdict.decision == "review"
    assert set(verdict.scores) == set(LABELS)


async def test_a_part_that_never_comes_is_late(bench: Bench) -> None:
    bench.fetcher.media["a:stuck"] = None
    verdict = await bench.score(text="hello", images=[{"uri": "a:stuck"}], deadline_ms=2_000)
    assert verdict.decision == "review"
    assert verdict.modalities["image:0"].startswith("failed: late")
    assert verdict.modalities["text"] == "ok"


async def test_a_part_that_the_model_refuses_fails_alone(bench: Bench) -> None:
    bench.classifier.errors["image_encoder"] = InferenceError("wrong shape")
    verdict = await bench.score(text="hello", images=[{"uri": "a:ok"}])
    assert verdict.modalities == {"text": "ok", "image:0": "failed: the model refused it"}


async def test_without_fusion_the_encoders_own_scores_count(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("text_encoder",))
    bench.classifier.delay_s["fusion"] = 60.0
    verdict = await bench.score(text="I will come", deadline_ms=2_000)
    assert verdict.decision == "block"
    assert verdict.scores["threat"] == pytest.approx(0.95)
    assert verdict.modalities["text"].startswith("failed: late")


@pytest.mark.parametrize("models", [("fusion",), ("fusion", "text_encoder")])
async def test_scores_that_are_not_numbers_allow_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, models: tuple[str, ...]
) -> None:
    infer = bench.classifier.infer

    async def infer_nan(model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        outputs = await infer(model, rows, deadline)
        return [{**row, "logits": row["logits"] * np.nan} for row in outputs] if model.name in models else outputs

    monkeypatch.setattr(bench.classifier, "infer", infer_nan)
    verdict = await bench.score(text="hello")
    assert verdict.decision == "review"
    assert decode_verdict(encode(verdict)).scores.keys() == set(LABELS)


@pytest.mark.parametrize("model", [TEXT_ENCODER, FUSION])
async def test_an_outage_is_not_the_posts_fault(bench: Bench, model: ModelSpec) -> None:
    bench.classifier.errors[model.name] = InferenceUnavailable("down")
    with pytest.raises(InferenceUnavailable):
        await bench.score(text="hello", images=[{"uri": "a:ok"}])


async def test_stages_and_the_wait_in_kafka_are_timed(bench: Bench) -> None:
    verdict = await bench.pipeline.score(Post(id="p", text="hello"), published_at=999.5)
    assert verdict.latency_ms["wait"] == 500.0
    stages = ("wait", "fetch", "extract", "encode", "fuse")
    assert sum(verdict.latency_ms[stage] for stage in stages) <= verdict.latency_ms["total"]
    assert bench.count("sluice_stage_seconds_count", stage="fuse") == 1
    assert bench.count("sluice_posts_total", decision="allow", **NAMED) == 1


async def test_labels_over_a_threshold_are_counted_with_what_they_ask_for(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("text_encoder",))
    verdict = await bench.score(text="hello")
    assert [reason.label for reason in verdict.reasons] == ["threat"]
    assert bench.count("sluice_findings_total", label="threat", decision=verdict.decision) == 1
    assert bench.count("sluice_posts_total", decision=verdict.decision, **NAMED) == 1


async def test_another_policy_decides_from_then_on(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("text_encoder",))
    bench.pipeline.use_policies(PolicySet.of(msgspec.structs.replace(POLICY, version=9, labels={})))
    verdict = await bench.score(text="hello")
    assert (verdict.decision, verdict.policy.version) == ("allow", 9)
    assert bench.count("sluice_posts_total", decision="allow", policy=POLICY.name, policy_version="9") == 1


async def test_the_verdict_carries_who_wrote_where(bench: Bench) -> None:
    verdict = await bench.score(text="hello", author_id="u-9", surface="forum", tenant="t-1")
    assert (verdict.author_id, verdict.surface, verdict.tenant) == ("u-9", "forum", "t-1")
    assert json.loads(encode(await bench.score(text="hello")))["author_id"] is None


async def test_the_verdict_names_the_models_it_rests_on(bench: Bench) -> None:
    verdict = await bench.score(text="hello")
    assert verdict.models == {"fusion": "0", "text_encoder": "0"}


async def test_a_reload_shows_in_the_next_verdict(bench: Bench) -> None:
    await bench.score(text="hello")
    bench.classifier.version = "1"
    verdict = await bench.score(text="hello")
    assert verdict.models == {"fusion": "1", "text_encoder": "1"}


async def test_the_same_post_gives_the_same_verdict_but_for_times(bench: Bench) -> None:
    post = Post(id="p", text="hello there", images=(Media("a:ok"),))
    first, second = [await bench.pipeline.score(post) for _ in range(2)]
    assert msgspec.structs.replace(first, latency_ms={}) == msgspec.structs.replace(second, latency_ms={})


async def test_what_is_left_without_the_only_part_is_known_from_before(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.95, ("text_encoder",))
    first, second = [await bench.score(text="I will come") for _ in range(2)]
    assert first.reasons == second.reasons
    assert first.reasons[0].contributions == {"text": pytest.approx(0.94)}


async def test_each_tenant_is_decided_by_its_own_policy_and_the_verdict_names_it(bench: Bench) -> None:
    bench.classifier.script = finds("threat", 0.5, ("text_encoder", "fusion"))
    rule = Rule(name="loud", when="scores.threat > 0.4 && language == 'en' && parts['text'] == 'ok'", queue="loud")
    theirs = Policy(
        name="t", version=3, tenant="t", labels={"threat": Thresholds(block=0.45, alias="menace")}, rules=(rule,)
    )
    bench.pipeline.use_policies(PolicySet.of(POLICY, theirs))
    verdict = await bench.score(text="one two", tenant="t")
    assert (verdict.decision, verdict.policy, verdict.queue) == ("block", PolicyRef("t", 3, theirs.sha256), "loud")
    assert (verdict.reasons[0].label, verdict.reasons[0].name) == ("threat", "menace")
    seen = {"scores.threat": 0.5, "language": "en", "parts": {"text": "ok"}}
    assert verdict.rules == (RuleReason(rule="loud", queue="loud", inputs=seen),)
    assert decode_verdict(encode(verdict)) == verdict
    verdict = await bench.score(text="one two", tenant="other")
    assert (verdict.decision, verdict.policy.name, verdict.rules) == ("review", "test", ())


async def test_what_lists_hold_is_evidence_and_rules_decide_by_it(bench: Bench) -> None:
    rules = (
        Rule(name="listed", when="'insults' in lists && 'ann' in list_owners", decision="block", tags=("listed",)),
        Rule(name="spared", when="'fine' in lists_allowed", queue="spared"),
    )
    bench.pipeline.use_policies(PolicySet.of(msgspec.structs.replace(POLICY, rules=rules)))
    words = {"insults": [Entry("word", "clanker", owner="ann")], "fine": [Entry("phrase", "old clanker", "allow")]}
    assert (await bench.score(text="You clanker")).lists == ()
    bench.pipeline.use_watchlist(Watchlist(ListFinder(words)))
    verdict = await bench.score(text="You cl4nker")
    assert (verdict.decision, verdict.tags) == ("block", ("listed",))
    assert verdict.lists == (ListMatch(list="insults", kind="word", value="clanker", start=4, end=11, owner="ann"),)
    assert verdict.rules[0].inputs == {"lists": ["insults"], "list_owners": ["ann"]}
    spared = await bench.score(text="You old clanker")
    assert (spared.decision, spared.queue, [match.list for match in spared.lists]) == ("allow", "spared", ["fine"])
    assert bench.count("sluice_list_matches_total", list="insults", action="block") == 1
    assert recall(verdict).known == Known(verdict.lists)


async def test_media_are_matched_by_their_bytes_and_by_what_they_show_also_those_that_cannot_be_read(
    bench: Bench,
) -> None:
    rules = (Rule(name="known", when="'files' in hashes", decision="block"),)
    bench.pipeline.use_policies(PolicySet.of(msgspec.structs.replace(POLICY, rules=rules)))
    files = make_bank([HashEntry("md5", digests_of(b"broken")["md5"].hex(), owner="ann")])
    looks = make_bank([HashEntry("pdq", SHOWN.bits.hex())])
    images = (Media("a:ok"), Media("a:broken"))
    assert (await bench.score(images=images)).hashes == ()
    bench.pipeline.use_watchlist(Watchlist(banks=BankFinder({"files": files, "looks": looks})))
    verdict = await bench.score(images=images)
    assert verdict.decision == "block"
    assert [(match.bank, match.part, match.kind, match.distance, match.owner) for match in verdict.hashes] == [
        ("looks", "image:0", "pdq", 0, None), ("files", "image:1", "md5", 0, "ann"),
    ]  # fmt: skip
    assert verdict.rules[0].inputs == {"hashes": ["looks", "files"]}
    assert verdict.modalities["image:1"].startswith("failed")
    assert bench.count("sluice_bank_matches_total", bank="files") == 1
    assert (await bench.score(text="hello")).hashes == ()
