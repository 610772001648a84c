"""Every kind of fault comes up once before any comes up again."""

from __future__ import annotations

import random
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

from sluice.chaos.faults import BROKER_FAULTS, WORKER_AND_TRITON_FAULTS, draw_faults


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
