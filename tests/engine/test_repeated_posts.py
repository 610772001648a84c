"""A post that repeats another gets the same verdict without being scored: only where that is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from sluice.config import PipelineConfig
from sluice.contract import FUSION, IMAGE_ENCODER, LABELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceUnavailable
from sluice.features import Features, ImageRow, Language, Languages
from sluice.features.text import MAX_WHOLE_CHARS
from sluice.hashes.bank import HashEntry, make_bank
from sluice.hashes.finder import BankFinder
from sluice.inference import Array, Arrays
from sluice.inference.fake import quiet
from sluice.inference.identity import ModelIdentities
from sluice.lists.entries import Entry
from sluice.lists.finder import ListFinder
from sluice.modalities.base import AnyModality
from sluice.modalities.extraction import on_threads
from sluice.modalities.image import HashedImageModality, ImageModality
from sluice.modalities.media import MediaSource
from sluice.modalities.picture_text import PictureTextModality
from sluice.modalities.reading import PageReader
from sluice.modalities.text import TextModality
from sluice.pipeline import Pipeline
from sluice.repeats import Repeats
from sluice.schema import AuthorHistory, Post, Verdict
from sluice.verdict.policy import Policy, Rule, Thresholds
from sluice.verdict.policy_set import PolicySet
from sluice.verdict.watchlist import NOTHING_WATCHED, Watchlist
from tests.engine.modalities.test_picture_text import PAGE
from tests.engine.pipelines import NAMED, POLICY, SHOWN, Bench, extract_image, extract_texts, finds

TIMES = {"post_id": "", "latency_ms": {}, "scored_at": "", "cached": ()}
"""What the verdict on a repeated post may have otherwise."""


def extract_with_page(content: bytes) -> Features[ImageRow]:
    return replace(extract_image(content), pages=(PAGE,))


def extract_all(content: bytes) -> Features[ImageRow]:
    return replace(extract_with_page(content), prints=(SHOWN,))


class RepeatBench(Bench):
    """A pipeline that keeps results, over models that are known already."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fetcher.media |= {"a:copy": b"ok"}
        infer = self.classifier.infer

        async def noted(model: ModelSpec, rows: list[Arrays], deadline: float) -> list[Arrays]:
            self.calls.append(model.name)
            return await infer(model, rows, deadline)

        self.classifier.infer = noted  # type: ignore[assignment,method-assign]
        run = on_threads(ThreadPoolExecutor(2))
        text = TextModality(extract_texts, run, self.identify)
        reading = PictureTextModality(PageReader(self.classifier, self.metrics), text)
        media = MediaSource(self.fetcher, 2**30)
        hashed = HashedImageModality(media, run, extract_all, reading)
        self.parts: list[AnyModality] = [
            text,
            ImageModality(media, run, extract_with_page, reading, hashed),
            self.modalities[2],
        ]
        self.repeats = Repeats(2**20, self.metrics)
        self.pipeline = self.open(POLICY)

    def open(self, policy: Policy) -> Pipeline:
        """Another worker's pipeline on what this one keeps."""
        config = PipelineConfig(deadline_ms=20_000)
        return Pipeline(self.parts, self.classifier, PolicySet.of(policy), self.metrics, config, repeats=self.repeats)

    async def know(self, identities: ModelIdentities | None = None) -> None:
        """Wait until the models are known."""
        for modality in self.parts:
            while (identities or self.pipeline._identities).find((*modality.models, FUSION)) is None:
                await asyncio.sleep(0)
        self.calls.clear()

    async def scored(self, **fields: object) -> tuple[Verdict, list[str]]:
        """A verdict, and the models that were asked for it."""
        self.calls.clear()
        return await self.score(**fields), sorted(self.calls)


@pytest.fixture
async def bench() -> AsyncIterator[RepeatBench]:
    bench = RepeatBench()
    await bench.know()
    yield bench
    await bench.pipeline.close()


def same(*verdicts: Verdict) -> bool:
    """Whether verdicts are the same but for ids, times, and whose scores they are."""
    first, *others = (msgspec.structs.replace(verdict, **TIMES) for verdict in verdicts)
    return all(first == other for other in others)


async def test_a_repeated_text_gets_the_same_verdict_under_its_own_id(bench: RepeatBench) -> None:
    bench.classifier.script = finds("threat", 0.95, (TEXT_ENCODER.name,))
    first, asked = await bench.scored(id="p-1", text="one two")
    assert asked == ["fusion", "text_encoder"]
    again, asked = await bench.scored(id="p-2", text="one two")
    assert asked == []
    assert (again.post_id, again.cached, first.cached) == ("p-2", ("text",), ())
    assert again.decision == "block"
    assert again.reasons[0].evidence == first.reasons[0].evidence
    assert same(first, again)
    assert again.latency_ms.keys() == first.latency_ms.keys()
    assert bench.count("sluice_posts_total", decision="block", **NAMED) == 2.0
    assert bench.count("sluice_findings_total", label="threat", decision="block") == 2.0
    assert bench.count("sluice_cache_lookups_total", kind="post", outcome="hit") == 1.0


async def test_a_repeated_text_is_its_own_authors(bench: RepeatBench) -> None:
    await bench.scored(text="one two", author_id="u-1", surface="forum", tenant="t-1")
    again, asked = await bench.scored(text="one two", author_id="u-2")
    assert (asked, again.author_id, again.surface, again.tenant) == ([], "u-2", None, None)


@pytest.mark.parametrize("other", ["one two ", "One two", "one two three"])
async def test_only_the_very_same_text_repeats_another(bench: RepeatBench, other: str) -> None:
    await bench.scored(text="one two")
    verdict, asked = await bench.scored(text=other)
    assert (asked, verdict.cached) == (["fusion", "text_encoder"], ())


async def test_a_picture_is_scored_once_under_whatever_text_and_name(bench: RepeatBench) -> None:
    bench.classifier.writing = ("one two",)
    bench.classifier.script = finds("threat", 0.95, (IMAGE_ENCODER.name, TEXT_ENCODER.name))
    first, asked = await bench.scored(text="hello", images=[{"uri": "a:ok"}])
    assert "ocr_detector" in asked
    again, asked = await bench.scored(text="other", images=[{"uri": "a:broken"}, {"uri": "a:copy"}])
    assert asked == ["fusion", "text_encoder"]
    assert again.cached == ("image:1",)
    pictures = [item for item in again.reasons[0].evidence if getattr(item, "index", None) is not None]
    assert {item.index for item in pictures} == {1}  # type: ignore[union-attr]
    assert again.models == first.models
    alone, asked = await bench.scored(images=[{"uri": "a:copy"}])
    assert (alone.cached, asked) == (("image:0",), ["fusion"])
    third, asked = await bench.scored(text="hello", images=[{"uri": "a:copy"}])
    assert asked == ["fusion"]
    assert third.cached == ("text", "image:0")
    assert same(first, third)


async def test_a_picture_that_was_read_without_its_hash_is_read_again_once_there_are_banks(bench: RepeatBench) -> None:
    picture = {"images": [{"uri": "a:ok"}]}
    await bench.scored(**picture)
    looks = make_bank([HashEntry("pdq", SHOWN.bits.hex())])
    bench.pipeline.use_watchlist(Watchlist(banks=BankFinder({"looks": looks})))
    first, asked = await bench.scored(**picture)
    assert ([match.bank for match in first.hashes], "image_encoder" in asked) == (["looks"], True)
    again, asked = await bench.scored(**picture)
    assert (again.hashes, again.cached, asked) == (first.hashes, ("image:0",), ["fusion"])
    bench.pipeline.use_watchlist(NOTHING_WATCHED)
    plain, asked = await bench.scored(**picture)
    assert (plain.hashes, plain.cached, asked) == ((), ("image:0",), ["fusion"])


@pytest.mark.parametrize(
    "post",
    [
        {"images": [{"uri": "a:long"}]},
        {"text": "hello", "images": [{"uri": "a:broken"}]},
        {"images": [{"uri": "a:gone"}]},
    ],
)
async def test_what_was_not_read_as_a_whole_is_read_again(bench: RepeatBench, post: dict[str, object]) -> None:
    first, _ = await bench.scored(**post)
    again, asked = await bench.scored(**post)
    name = next(name for name, status in first.modalities.items() if status != "ok")
    assert name not in again.cached
    assert again.modalities == first.modalities
    assert "fusion" in asked


async def test_a_text_in_a_language_that_is_not_read_is_read_again(bench: RepeatBench) -> None:
    bench.languages = Languages(Language("th", 0.98), ("th",))
    await bench.scored(text="one two")
    verdict, asked = await bench.scored(text="one two")
    assert (asked, verdict.cached) == (["fusion", "text_encoder"], ())
    await asyncio.gather(*(bench.score(text="one two") for _ in range(5)))  # and nobody waits for another one
    assert bench.count("sluice_cache_lookups_total", kind="post", outcome="miss") == 7.0
    assert len(bench.calls) == 12


async def test_a_text_that_is_too_long_to_be_read_whole_is_not_looked_up(bench: RepeatBench) -> None:
    for _ in range(2):
        await bench.scored(text="one two " * MAX_WHOLE_CHARS)
    assert bench.count("sluice_cache_lookups_total", kind="post", outcome="miss") == 0.0


async def test_a_late_verdict_is_nobody_elses(bench: RepeatBench) -> None:
    bench.classifier.delay_s[TEXT_ENCODER.name] = 30.0
    verdict, _ = await bench.scored(text="one two", deadline_ms=1)
    assert verdict.modalities["text"].startswith("failed: late")
    bench.classifier.delay_s.clear()
    verdict, asked = await bench.scored(text="one two")
    assert (asked, verdict.modalities["text"]) == (["fusion", "text_encoder"], "ok")


async def test_an_outage_is_nobody_elses_either(bench: RepeatBench) -> None:
    bench.classifier.errors[TEXT_ENCODER.name] = InferenceUnavailable("away", TEXT_ENCODER.name)
    with pytest.raises(InferenceUnavailable):
        await bench.score(text="one two")
    bench.classifier.errors.clear()
    verdict, asked = await bench.scored(text="one two")
    assert (asked, verdict.modalities["text"]) == (["fusion", "text_encoder"], "ok")


async def test_a_flood_of_one_text_is_scored_once(bench: RepeatBench) -> None:
    bench.calls.clear()
    bench.classifier.delay_s[TEXT_ENCODER.name] = 0.01
    verdicts = await asyncio.gather(*(bench.score(id=f"p-{n}", text="one two") for n in range(20)))
    assert sorted(bench.calls) == ["fusion", "text_encoder"]
    assert same(*verdicts)
    assert [verdict.post_id for verdict in verdicts] == [f"p-{n}" for n in range(20)]
    assert sorted(verdict.cached for verdict in verdicts) == [(), *[("text",)] * 19]


async def test_another_policy_decides_anew(bench: RepeatBench) -> None:
    bench.classifier.script = finds("threat", 0.5, (TEXT_ENCODER.name,))
    assert (await bench.score(text="one two")).decision == "review"
    strict = Policy(
        name="test", version=1, labels={"threat": Thresholds(block=0.45)}
    )  # under the same name and version
    other = bench.open(strict)
    await bench.know(other._identities)
    verdict = await other.score(Post(id="p", text="one two"))
    assert (verdict.decision, verdict.cached) == ("block", ())
    await other.close()


async def test_a_post_is_decided_by_the_policy_it_began_with_and_kept_for_that_one(bench: RepeatBench) -> None:
    bench.classifier.script = finds("threat", 0.5, (TEXT_ENCODER.name,))
    bench.classifier.delay_s[TEXT_ENCODER.name] = 0.02
    scoring = asyncio.create_task(bench.score(text="one two"))
    await asyncio.sleep(0)
    strict = Policy(name="test", version=1, labels={"threat": Thresholds(block=0.45)})
    bench.pipeline.use_policies(PolicySet.of(strict))
    assert (await scoring).decision == "review"
    for policy, decision in ((POLICY, "review"), (strict, "block"), (strict, "block")):
        bench.pipeline.use_policies(PolicySet.of(policy))
        assert (await bench.score(text="one two")).decision == decision
    assert (await bench.score(text="one two")).cached == ("text",)


async def test_a_model_that_was_loaded_anew_scores_anew(bench: RepeatBench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.scored(text="one two")

    def louder(model: ModelSpec, row: Arrays) -> Array:
        return np.where(np.arange(len(LABELS)) == 3, 0.95, quiet(model, row)).astype(np.float32)

    bench.classifier.script = louder
    monkeypatch.setattr("sluice.inference.identity.REFRESH_S", -1.0)
    bench.pipeline._identities.find((TEXT_ENCODER,))
    while bench.pipeline._identities._asking:
        await asyncio.sleep(0)
    verdict, asked = await bench.scored(text="one two")
    assert "text_encoder" in asked
    assert (verdict.decision, verdict.cached) == ("block", ())


async def test_nothing_is_kept_before_the_models_are_known() -> None:
    bench = RepeatBench()
    await bench.score(text="one two")
    await bench.know()
    verdict, _ = await bench.scored(text="one two")
    assert verdict.cached == ()
    await bench.pipeline.close()


async def test_what_is_kept_of_media_is_small(bench: RepeatBench) -> None:
    await bench.score(images=[{"uri": "a:ok"}], audio=[{"uri": "b:clip"}])
    assert 0 < bench.count("sluice_cache_bytes") < 40_000


async def test_a_repeated_text_is_decided_anew_where_a_policy_can_tell_the_posts_apart(bench: RepeatBench) -> None:
    strict = Policy(name="strict", version=2, tenant="t-1", labels={}, unscored_part="block")
    rule = Rule(name="u-2", when="author_id == 'u-2'", decision="review", tags=("seen",))
    ruled = msgspec.structs.replace(POLICY, rules=(rule,))
    bench.pipeline.use_policies(PolicySet.of(ruled, strict))
    first, _ = await bench.scored(text="one two", author_id="u-1")
    other, asked = await bench.scored(text="one two", author_id="u-2")
    assert (first.decision, other.decision, other.tags) == ("allow", "review", ("seen",))
    assert asked == ["fusion", "text_encoder"]
    again, asked = await bench.scored(text="one two", author_id="u-2")
    assert (asked, again.rules, again.tags) == ([], other.rules, ("seen",))
    theirs, asked = await bench.scored(text="one two", author_id="u-2", tenant="t-1")
    assert (theirs.policy, theirs.rules, asked) == (strict.ref, (), ["fusion", "text_encoder"])
    bench.pipeline.use_policies(PolicySet.of(POLICY))
    assert (await bench.scored(text="one two", author_id="u-2"))[0].rules == ()


async def test_a_repeated_text_is_looked_up_in_the_lists_in_force(bench: RepeatBench) -> None:
    words = {"insults": [Entry("word", "two"), Entry("author", "u-1")]}
    await bench.scored(text="one two")
    bench.pipeline.use_watchlist(Watchlist(ListFinder(words)))
    found, asked = await bench.scored(text="one two")
    assert (len(found.lists), len(asked)) == (1, 2)
    again, asked = await bench.scored(text="one two", author_id="u-2")
    assert (again.lists, asked) == (found.lists, [])
    authors, asked = await bench.scored(text="one two", author_id="u-1")
    assert (len(authors.lists), len(asked)) == (2, 2)
    bench.pipeline.use_watchlist(NOTHING_WATCHED)
    assert (await bench.scored(text="one two"))[0].lists == ()


class FakeAuthors:
    """Knows how many posts an author wrote."""

    def __init__(self) -> None:
        self.posts_1h = {"u-1": 1, "u-2": 9, "u-3": 9}

    def recall(self, post: Post, published_at: float | None) -> AuthorHistory | None:
        return AuthorHistory(posts_1h=self.posts_1h[post.author_id], posts_24h=20) if post.author_id else None


async def test_a_repeated_text_is_decided_anew_where_a_rule_asks_for_what_the_author_did(bench: RepeatBench) -> None:
    rule = Rule(name="fast", when="author.posts_1h > 5", decision="review")
    bench.pipeline.use_policies(PolicySet.of(msgspec.structs.replace(POLICY, rules=(rule,))))
    bench.pipeline.remember(FakeAuthors())
    found = [await bench.scored(text="one two", author_id=author) for author in ("u-1", "u-2", "u-3", None)]
    assert [verdict.decision for verdict, _ in found] == ["allow", "review", "review", "allow"]
    assert [bool(asked) for _, asked in found] == [True, True, False, True]
    assert [verdict.basis.author for verdict, _ in found if verdict.basis] == [
        AuthorHistory(posts_1h=1, posts_24h=20), *[AuthorHistory(posts_1h=9, posts_24h=20)] * 2, None,
    ]  # fmt: skip


async def test_where_no_rule_asks_a_repeated_text_keeps_its_own_authors_history(bench: RepeatBench) -> None:
    bench.pipeline.remember(FakeAuthors())
    await bench.scored(text="one two", author_id="u-1")
    verdict, asked = await bench.scored(text="one two", author_id="u-2")
    assert (asked, verdict.basis and verdict.basis.author) == ([], AuthorHistory(posts_1h=9, posts_24h=20))
