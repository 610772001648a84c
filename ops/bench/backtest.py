"""How many verdicts a second a backtest decides anew, from lines of JSON to figures.

``python ops/bench/backtest.py [--verdicts 200000] [--rules 0] [--json]``
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator

from sluice.backtest.changes import Retrial
from sluice.backtest.figures import make_figures
from sluice.report.gathering import read_outcome
from sluice.resources import default_policy
from sluice.schema import DECISIONS, LABELS, Basis, DetectedLanguage, PolicyRef, Reason, TextEvidence, Verdict, encode
from sluice.verdict.policy import Policy, Rule
from sluice.verdict.policy_set import PolicySet, load_policies

LANGUAGES = ("en", "zh", "de", "es", "fr")
STAGES = ("wait", "fetch", "extract", "read", "encode", "fuse", "total")
N_DISTINCT = 5_000
"""Verdicts that are made; with other ids they come again and again."""


def make_verdict(rng: random.Random) -> Verdict:
    """One with as much in it as most have; three in a hundred have a reason with evidence."""
    scores = {label: round(rng.betavariate(0.3, 8.0), 6) for label in LABELS}
    is_flagged = rng.random() < 0.03
    reason = Reason("hate", 0.8, 0.5, {"text": 0.7}, (TextEvidence(0, 12), TextEvidence(20, 24)))
    return Verdict(
        post_id="", decision=DECISIONS[is_flagged], scores=scores, severity=dict.fromkeys(LABELS, 0.1),
        reasons=(reason,) if is_flagged else (), modalities={"text": "ok"}, policy=PolicyRef("default", 1),
        models={"fusion": "1", "text_encoder": "1"}, latency_ms=dict.fromkeys(STAGES, 1.234),
        scored_at="2026-11-23T10:00:00.020Z", language=DetectedLanguage(rng.choice(LANGUAGES), 0.98),
        author_id="author-1", basis=Basis(text_chars=80),
    )  # fmt: skip


def write_lines(n_verdicts: int) -> Iterator[bytes]:
    """Lines with ids of their own."""
    rng = random.Random(1)
    lines = [encode(make_verdict(rng)) for _ in range(N_DISTINCT)]
    for number in range(n_verdicts):
        yield lines[number % N_DISTINCT].replace(b'"post_id":""', b'"post_id":"p-%d"' % number, 1)


def make_policies(n_rules: int) -> PolicySet:
    """The shipped policy, with so many rules."""
    shipped: Policy = load_policies(default_policy()).default.policy
    rules = tuple(Rule(name=f"rule-{n}", when=f"scores.hate > 0.{n + 10} && surface == 's{n}'") for n in range(n_rules))
    return PolicySet.of(Policy(name=shipped.name, version=2, labels=shipped.labels, rules=rules))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=int, default=200_000)
    parser.add_argument("--rules", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one object")
    arguments = parser.parse_args()
    retrial = Retrial(make_policies(arguments.rules))
    lines, begun, cpu_begun = write_lines(arguments.verdicts), time.perf_counter(), time.process_time()
    for line in lines:
        outcome = read_outcome(line)
        if isinstance(outcome, Verdict):
            retrial.add(outcome)
    figures, seconds, cpu_s = (
        make_figures(retrial.changes, retrial.policies.names),
        time.perf_counter() - begun,
        time.process_time() - cpu_begun,
    )
    found = {
        "verdicts": figures.posts,
        "rules": arguments.rules,
        "seconds": round(seconds, 1),
        "processor_seconds": round(cpu_s, 1),
        "per_second": round(figures.posts / seconds),
        "seconds_for_a_million": round(1e6 * seconds / figures.posts, 1),
    }
    print(json.dumps(found) if arguments.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
