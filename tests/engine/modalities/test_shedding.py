"""Under an overload the dearest kinds of parts are given up first, and are taken up again when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from sluice.config import PipelineConfig
from sluice.inference.fake import ScriptedClassifier
from sluice.metrics import Metrics
from sluice.modalities.parts import PartScorer
from sluice.modalities.shedding import FALL, LEAST_LATE, LEAST_S, ORDER, RISE, WINDOW_S, Shedding
from sluice.pipeline import Pipeline
from sluice.schema import Media, Post
from tests.engine.pipelines import POLICIES, Bench

PICTURE = Post(id="p", images=(Media("a:ok"),))


class Load:
    """A shedding on a clock of its own."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.now = 0.0
        self.shedding = Shedding(self.metrics, lambda: self.now)

    def pass_window(
        self, n_late: int = 0, n_in_time: int = 0, time_s: float = 5.0, fetch_s: float | None = 0.1
    ) -> None:
        for n in range(n_late + n_in_time):
            self.shedding.note(time_s, fetch_s, is_late=n < n_late)
        self.now += WINDOW_S

    def overload(self, level: float) -> None:
        while self.shedding.level < level:
            self.pass_window(n_late=LEAST_LATE)

    def admitted(self, kind: str, n: int = 20) -> float:
        return sum(self.shedding.admits(kind) for _ in range(n)) / n

    def count(self, series: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(series, labels) or 0.0


@pytest.fixture
def load() -> Load:
    return Load()


def test_everything_is_begun_while_nothing_is_late(load: Load) -> None:
    load.pass_window(n_in_time=1000)
    assert load.shedding.level == 0.0
    assert [load.admitted(kind) for kind in ORDER] == [1.0] * len(ORDER)


@pytest.mark.parametrize("level", range(1, len(ORDER) + 1))
def test_kinds_are_given_up_in_order(load: Load, level: int) -> None:
    load.overload(level)
    assert [load.admitted(kind) for kind in ORDER] == [0.0] * level + [1.0] * (len(ORDER) - level)
    assert load.count("sluice_shed_parts_total", modality=ORDER[0]) == 20
    assert load.count("sluice_shedding_level") == level


def test_some_of_a_kind_are_given_up_before_all_of_it(load: Load) -> None:
    load.overload(RISE)
    assert load.admitted(ORDER[0]) == pytest.approx(1 - RISE)
    assert load.admitted(ORDER[1]) == 1.0


def test_it_is_over_once_nothing_is_late_any_more(load: Load) -> None:
    load.overload(1.0)
    for _ in range(round(1.0 / FALL) - 1):
        load.pass_window(n_in_time=10)
    assert 0.0 < load.shedding.level < 2 * FALL
    load.pass_window(n_in_time=10)
    assert load.shedding.level == pytest.approx(0.0)


def test_it_is_over_without_any_traffic_too(load: Load) -> None:
    load.overload(len(ORDER))
    load.now += 1000.0
    assert load.shedding.level == 0.0


def test_it_never_rises_beyond_everything(load: Load) -> None:
    for _ in range(100):
        load.pass_window(n_late=50)
    load.overload(len(ORDER))
    assert load.shedding.level == len(ORDER)


@pytest.mark.parametrize(
    "window",
    [
        {"n_late": LEAST_LATE - 1},
        {"n_late": LEAST_LATE, "n_in_time": 1000},
        {"n_late": 50, "time_s": LEAST_S / 2},
        {"n_late": 50, "fetch_s": None},
        {"n_late": 50, "fetch_s": 4.0},
    ],
    ids=["too few", "too small a share", "no time from the start", "never fetched", "fetched late"],
)
def test_what_is_not_the_loads_fault_changes_nothing(load: Load, window: dict[str, float]) -> None:
    load.pass_window(**window)  # type: ignore[arg-type]
    assert load.shedding.level == 0.0


def test_another_kind_of_part_is_always_begun(load: Load) -> None:
    load.overload(len(ORDER))
    assert load.shedding.admits("video")


async def test_a_part_that_is_not_begun_is_late_at_once_and_costs_nothing() -> None:
    bench, load = Bench(), Load()
    load.overload(ORDER.index("image") + 1)
    scorer = PartScorer(bench.classifier, shedding=load.shedding)
    post = {"text": "one two", "images": [{"uri": "a:ok"}], "audio": [{"uri": "a:ok"}]}
    statuses = await score_all(bench, scorer, post)
    assert statuses == [None, "late", "late"]
    assert bench.classifier.n_calls == 1


async def score_all(bench: Bench, scorer: PartScorer, fields: dict[str, object]) -> Sequence[str | None]:
    post = msgspec.convert({"id": "p", **fields}, Post)
    parts = [part for modality in bench.modalities for part in modality.parts(post)]
    due = asyncio.get_running_loop().time() + 30
    return [
        scored.failure.reason if scored.failure else None for part in parts for scored in await scorer.score(part, due)
    ]


async def test_parts_that_are_late_by_the_load_are_its_witnesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.modalities.shedding.LEAST_S", 0.0)
    bench, load = Bench(), Load()
    slow = ScriptedClassifier(delay_s={"image_encoder": 30.0})
    scorer = PartScorer(slow, shedding=load.shedding)
    part = bench.modalities[1].parts(PICTURE)[0]
    due = asyncio.get_running_loop().time() + 0.05
    await asyncio.gather(*(scorer.score(part, due) for _ in range(LEAST_LATE)))
    load.now += WINDOW_S
    assert load.shedding.level == RISE


async def test_it_can_be_switched_off() -> None:
    bench = Bench()
    assert bench.pipeline._parts._shedding is not None
    off = PipelineConfig(sheds=False)
    assert Pipeline(bench.modalities, bench.classifier, POLICIES, bench.metrics, off)._parts._shedding is None
