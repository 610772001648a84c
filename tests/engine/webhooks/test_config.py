"""Which verdicts a receiver is told of."""

from __future__ import annotations

from sluice.schema import RuleReason
from sluice.webhooks.config import WebhookConfig
from tests.engine.cli.verdicts import make_verdict


def test_it_is_told_of_decisions_or_of_what_rules_name_it_for() -> None:
    asked = make_verdict("a", "allow", rules=(RuleReason(rule="r", webhook="crew"),))
    blocked = make_verdict("b", "block", rules=(RuleReason(rule="r", webhook="others"),))
    plain, named = WebhookConfig("https://a.example", ()), WebhookConfig("https://a.example", (), named="crew")
    assert [plain.wants(asked), plain.wants(blocked)] == [False, True]
    assert [named.wants(asked), named.wants(blocked)] == [True, False]
