"""Where decisions go, and how patiently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sluice.schema import Decision, Verdict
from sluice.topics import WEBHOOK_DEAD_LETTERS


class Form(StrEnum):
    """What the body of a webhook is."""

    standard = "standard"
    cloudevents = "cloudevents"


@dataclass(frozen=True)
class WebhookConfig:
    """One receiver.

    Attributes
    ----------
    url : str
        HTTP or HTTPS.
    secrets : tuple of bytes
        A message carries a signature by each, so that a receiver may change to a new one.
    decisions : tuple of str
        Verdicts with other decisions are passed over.
    group : str
        Consumer group: its committed offsets are what was delivered.
    from_beginning : bool
        Where a new group begins: with the oldest verdict that is kept, or with those that come from now on.
    named : str or None
        Only verdicts of which a rule names this webhook, whatever their decision.
    dead_letters : str
        Topic of the verdicts that the receiver refuses while it takes others.
    allow_private : bool
        Whether the receiver may be inside our own network, and on any port.
    n_in_flight : int
        Requests at once.
    timeout_s : float
        For one request.
    max_pause_s : float
        Between two tries for one verdict.
    n_refusals : int
        A verdict that failed so often while the receiver took others is given up.
    """

    url: str
    secrets: tuple[bytes, ...]
    decisions: tuple[Decision, ...] = ("block", "review")
    form: Form = Form.standard
    group: str = "sluice-webhooks"
    from_beginning: bool = False
    named: str | None = None
    dead_letters: str = WEBHOOK_DEAD_LETTERS
    allow_private: bool = False
    n_in_flight: int = 64
    timeout_s: float = 15.0
    max_pause_s: float = 60.0
    n_refusals: int = 8

    def wants(self, verdict: Verdict) -> bool:
        """Whether the receiver is to be told of a verdict."""
        if self.named is None:
            return verdict.decision in self.decisions
        return any(rule.webhook == self.named for rule in verdict.rules)
