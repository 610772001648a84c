"""How long a policy's rules take: 200 of them on one post. `python ops/bench/rules.py [N_RULES]`."""

from __future__ import annotations

import json
import statistics
import sys
import time

from sluice.schema import LABELS, Post
from sluice.verdict.facts import Facts
from sluice.verdict.judgement import Judge
from sluice.verdict.policy import Policy, Rule

N_RULES, N_POSTS, N_ROUNDS = 200, 200, 15

KINDS = (
    "scores.{label} > 0.{n:03d} && surface == 'chat'",
    "scores.{label} > 0.5{n:03d} && language in ['en', 'de', 'fr'] && tenant == 'forum'",
    "'image:0' in parts && scores.{label} > 0.3 && severity.{label} > 0.{n:03d}",
    "author_id.startsWith('u-') && scores.{label} >= 0.9{n:03d} && author_standing == 'new'",
)


def make_rules(n_rules: int) -> tuple[Rule, ...]:
    """Rules of four kinds over all labels, no two of them the same."""
    expressions = (KINDS[n % 4].format(label=LABELS[n % len(LABELS)], n=n) for n in range(n_rules))
    return tuple(Rule(name=f"r{n}", when=when, decision="review") for n, when in enumerate(expressions))


def measure(judge: Judge, facts: Facts) -> float:
    """Microseconds of processor time a post, the median of some rounds."""
    took = []
    for _ in range(N_ROUNDS):
        start = time.thread_time()
        for _ in range(N_POSTS):
            judge.judge(facts)
        took.append((time.thread_time() - start) / N_POSTS * 1e6)
    return statistics.median(took)


def main(n_rules: int) -> None:
    """Print the times as JSON: without rules, where no rule is true, and where half of one kind is."""
    scores = dict.fromkeys(LABELS, 0.0)
    post = Post(id="p", text="hello", tenant="forum", surface="chat", author_id="u-1", author_standing="new")
    quiet = Facts(post, scores, scores, parts={"text": "ok"}, language="en", language_probability=0.9)
    loud = Facts(post, dict.fromkeys(LABELS, 0.1), scores, parts={"text": "ok"}, language="en")
    plain = Judge(Policy(name="plain", version=1, labels={}))
    start = time.thread_time()
    ruled = Judge(Policy(name="ruled", version=1, labels={}, rules=make_rules(n_rules)))
    compiled_s = time.thread_time() - start
    figures = {
        "n_rules": n_rules,
        "compile_ms": round(compiled_s * 1000, 1),
        "without_rules_us": round(measure(plain, quiet), 1),
        "none_true_us": round(measure(ruled, quiet), 1),
        "some_true_us": round(measure(ruled, loud), 1),
        "n_true": len(ruled.judge(loud).rules),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_RULES)
