"""Policies as a page."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from sluice.cli import app
from sluice.report.policies import describe_audience, write_policies
from sluice.verdict.policy import Policy, Rule, Selectors, Thresholds

RUNS = "<script>alert(1)</script>"
RULE = Rule(name="new", when=f"tenant == '{RUNS}'", decision="review", tags=("a", "b"), rate_limit="10/h")
POLICY = Policy(name="mine", version=3, labels={"hate": Thresholds(0.2, alias="slurs")}, rules=(RULE,))


def test_the_page_shows_thresholds_and_rules_and_runs_nothing() -> None:
    page = write_policies([POLICY])
    assert "mine, version 3" in page
    assert "hate (slurs)" in page
    assert "decision: review; rate limit: 10/h; tags: a, b" in page
    assert RUNS not in page


def test_for_whom_it_is_is_said() -> None:
    selectors = Selectors(market=("at", "de"), language=("",), authors="5%")
    narrow = Policy(name="n", version=1, tenant="t", applies=selectors, labels={})
    assert describe_audience(narrow) == (
        "Posts of the tenant t where market is at or de, and language is empty, and the author is among 5% of all."
    )
    assert describe_audience(POLICY) == "Everybody's posts that no other policy is for."
    assert describe_audience(Policy(name="n", version=1, applies="never", labels={})).startswith("For no post")


def test_the_command_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tenant: a\nversion: 2\nextends: default\n")
    result = CliRunner().invoke(app, ["policy", "check", str(tmp_path / "a.yaml"), "-o", str(tmp_path / "page.html")])
    assert result.exit_code == 0, result.output
    assert "a, version 2" in (tmp_path / "page.html").read_text()
