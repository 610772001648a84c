"""Every kind of fault comes up once before any comes up again."""

from __future__ import annotations

import random
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sluice.chaos.faults import (
    BROKER_FAULTS,
    WORKER_AND_TRITON_FAULTS,
    BrokerKilled,
    BrokerStopped,
    Fault,
    RollingRestart,
    StuckHead,
    StuckHeadAndKill,
    TritonCorrupt,
    TritonKilled,
    TritonSlow,
    TritonStopped,
    TritonUnreachable,
    WorkerKilled,
    WorkerLeaves,
    WorkerStopped,
    draw_faults,
)
from sluice.chaos.link import LinkMode


def deal_kinds(n_faults: int, brokers: object, seed: int = 1) -> list[type]:
    stage = cast(Any, SimpleNamespace(brokers=brokers))
    return [type(fault) for fault in islice(draw_faults(stage, cast(Any, None), random.Random(seed)), n_faults)]


def test_every_kind_comes_before_any_comes_again() -> None:
    kinds = {*WORKER_AND_TRITON_FAULTS, *BROKER_FAULTS}
    dealt = deal_kinds(2 * len(kinds), brokers=object())
    assert set(dealt[: len(kinds)]) == kinds
    assert set(dealt[len(kinds) :]) == kinds


def test_the_seed_decides_the_order() -> None:
    assert deal_kinds(10, object(), seed=1) == deal_kinds(10, object(), seed=1)
    assert deal_kinds(10, object(), seed=1) != deal_kinds(10, object(), seed=2)


def test_brokers_of_others_are_left_alone() -> None:
    assert not set(deal_kinds(50, brokers=None)) & set(BROKER_FAULTS)


def test_kinds_have_names_of_their_own() -> None:
    names = [kind.name for kind in (*WORKER_AND_TRITON_FAULTS, *BROKER_FAULTS)]
    assert len(set(names)) == len(names)


class Calls:
    """Stands for anything of a stage, and notes what it is asked to do."""

    def __init__(self, noted: list[str]) -> None:
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self._noted.append(name)


def make_stage(noted: list[str]) -> Any:
    calls = Calls(noted)
    brokers = SimpleNamespace(
        n_brokers=3,
        kill_broker=calls.kill_broker, start_broker=calls.start_broker,
        suspend_broker=calls.suspend_broker, resume_broker=calls.resume_broker,
    )  # fmt: skip
    return SimpleNamespace(
        workers=[calls], triton=calls, brokers=brokers, link=SimpleNamespace(set_mode=noted.append),
        silence=SimpleNamespace(url=""), wait_for_triton=calls.wait_for_triton,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "begun", "lifted"),
    [
        (WorkerKilled, ["kill_worker"], ["start_worker"]),
        (WorkerStopped, ["suspend_worker"], ["resume_worker"]),
        (WorkerLeaves, ["stop_worker"], ["start_worker"]),
        (RollingRestart, ["stop_worker", "start_worker"], []),
        (TritonKilled, ["crash"], ["wait_for_triton"]),
        (TritonStopped, ["suspend"], ["resume"]),
        (TritonSlow, [LinkMode.slow], [LinkMode.faithful]),
        (TritonCorrupt, [LinkMode.corrupt], [LinkMode.faithful]),
        (TritonUnreachable, [LinkMode.silent], [LinkMode.faithful]),
        (StuckHead, ["publish_stuck"], []),
        (StuckHeadAndKill, ["publish_stuck"], ["kill_worker", "start_worker"]),
        (BrokerKilled, ["kill_broker"], ["start_broker"]),
        (BrokerStopped, ["suspend_broker"], ["resume_broker"]),
    ],
)
def test_what_is_broken_is_mended(kind: type[Fault], begun: list[str], lifted: list[str]) -> None:
    noted: list[str] = []
    fault = kind(make_stage(noted), cast(Any, Calls(noted)), random.Random(1))
    fault.begin()
    assert noted == begun
    fault.lift()
    assert noted == begun + lifted
