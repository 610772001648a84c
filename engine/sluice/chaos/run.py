"""One chaos run: traffic, faults one after another, the count, and the controls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sluice.chaos.audit import Auditor, Tally
from sluice.chaos.faults import Fault, draw_faults
from sluice.chaos.histories import HistoryRecord, audit_histories
from sluice.chaos.report import ChaosReport, FaultRecord, ScenarioRecord
from sluice.chaos.scenario import run_scenario
from sluice.chaos.stage import CONTROLS, Stage, StageConfig
from sluice.chaos.traffic import Traffic
from sluice.config import KafkaConfig, Topics

RECOVERY_TIMEOUT_S = 60.0
PAUSE_S = (0.5, 2.0)
"""Between a recovery and the next fault."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class ChaosConfig:
    """What to run.

    Attributes
    ----------
    minutes : float
        How long faults are made; starting, the last recovery and the controls come on top.
    seed : int
        Of the faults' order and of the posts.
    rate_per_s : float
        Posts per second.
    kafka : KafkaConfig or None
        A cluster that exists, whose brokers are left alone; None starts three brokers.
    """

    minutes: float
    seed: int
    rate_per_s: float = 40.0
    n_workers: int = 2
    kafka: KafkaConfig | None = None


@dataclass(frozen=True)
class FaultPhase:
    """What the phase with faults left behind."""

    records: tuple[FaultRecord, ...]
    published: list[str]
    expected_dead: set[str]
    stuck: set[str]
    tally: Tally


def run_chaos(config: ChaosConfig, state_dir: Path, say: Say) -> ChaosReport:
    """Run it; `say` receives a line for each thing that happens.

    Raises
    ------
    StackError
        A server or a worker could not be started, or ended by itself.
    """
    prefix = f"chaos-{config.seed}"
    say("starting brokers, Triton and workers")
    with Stage(_configure(config, state_dir, prefix)) as stage:
        phase = _run_faults(config, stage, prefix, say)
        for worker in stage.workers:
            worker.stop_worker()  # the scenarios bring their own
        histories = tuple(_audit_histories(stage))
        scenarios = tuple(_run_scenarios(stage, prefix, say))
        return _report(config, phase, scenarios, histories, stage.memory.peak_mb)


def _configure(config: ChaosConfig, state_dir: Path, prefix: str) -> StageConfig:
    topics = name_topics(prefix)
    kafka = replace(config.kafka, topics=topics) if config.kafka else None
    return StageConfig(state_dir, topics, kafka, config.n_workers)


def name_topics(prefix: str) -> Topics:
    """Topics of a run's own, so that it can share a cluster."""
    kinds = ("posts", "verdicts", "reviews", "dead_letters", "policies", "feedback", "shadow", "reports")
    return Topics(**{kind: f"{prefix}.{kind.replace('_', '-')}" for kind in kinds})


def _run_faults(config: ChaosConfig, stage: Stage, prefix: str, say: Say) -> FaultPhase:
    rng = random.Random(config.seed)  # noqa: S311  (reproducible, not secret)
    with Auditor(stage.kafka) as auditor, Traffic(stage.kafka, config.rate_per_s, prefix, config.seed) as traffic:
        faults = draw_faults(stage, traffic, rng)
        records = tuple(_make_faults(config.minutes * 60, faults, traffic, auditor, rng, say))
        traffic.stop()
        auditor.wait_for(traffic.published(), RECOVERY_TIMEOUT_S)
    return FaultPhase(records, traffic.published(), traffic.expected_dead, traffic.stuck, auditor.tally)


def _make_faults(
    seconds: float, faults: Iterator[Fault], traffic: Traffic, auditor: Auditor, rng: random.Random, say: Say
) -> Iterator[FaultRecord]:
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(rng.uniform(*PAUSE_S))
        record = _make_fault(next(faults), begun, traffic, auditor, rng)
        recovery = "no recovery" if record.recovery_s is None else f"recovered in {record.recovery_s:.1f} s"
        say(f"{record.at_s:6.1f} s  {record.kind}, {record.lasted_s:.1f} s: {recovery}")
        yield record


def _make_fault(fault: Fault, run_begun: float, traffic: Traffic, auditor: Auditor, rng: random.Random) -> FaultRecord:
    begun = time.monotonic()
    fault.begin()
    time.sleep(rng.uniform(*fault.lasts_s))
    lifted, published = time.monotonic(), traffic.published()
    fault.lift()
    has_recovered = auditor.wait_for(published, RECOVERY_TIMEOUT_S)
    recovery_s = time.monotonic() - lifted if has_recovered else None
    return FaultRecord(fault.name, begun - run_begun, lifted - begun, recovery_s)


def _audit_histories(stage: Stage) -> Iterator[HistoryRecord]:
    folders = sorted(stage.config.state_dir.glob("*/history"))
    return audit_histories(stage.kafka, ((folder.parent.name, folder) for folder in folders))


def _run_scenarios(stage: Stage, prefix: str, say: Say) -> Iterator[ScenarioRecord]:
    """The real worker loses nothing, the controls do, in the same situation."""
    say("a stuck head and a kill: the worker, then workers that acknowledge wrongly")
    worker = stage.make_worker("ordered", replace(stage.kafka, topics=name_topics(f"{prefix}-ordered")))
    yield run_scenario(stage, "ordered", worker, must_lose=False)
    for kind in CONTROLS:
        control = stage.make_control(kind, name_topics(f"{prefix}-{kind}"))
        yield run_scenario(stage, kind, control, must_lose=True)


def _report(
    config: ChaosConfig,
    phase: FaultPhase,
    scenarios: tuple[ScenarioRecord, ...],
    histories: tuple[HistoryRecord, ...],
    peak_memory_mb: dict[str, float],
) -> ChaosReport:
    tally = phase.tally
    return ChaosReport(
        minutes=config.minutes,
        seed=config.seed,
        n_workers=config.n_workers,
        n_posts=len(phase.published),
        n_lost=len(tally.missing(phase.published)),
        n_duplicates=tally.n_duplicates,
        n_different=len(tally.different),
        different_fields=tuple(sorted(set().union(*tally.different.values()))),
        n_late=len(tally.late - phase.stuck),
        n_dead_letters=len(tally.dead),
        n_unexpected_dead_letters=len(set(tally.dead) - phase.expected_dead),
        faults=phase.records,
        scenarios=scenarios,
        histories=histories,
        peak_memory_mb=peak_memory_mb,
    )
