"""Workers that acknowledge wrongly, as others do: ``python -m sluice.chaos.controls unordered|commit-first``.

They exist to lose posts. A chaos suite that does not see them lose could not see a loss at all.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable

from sluice.app import run_worker
from sluice.settings import load_settings
from sluice.stream.agents import Event, Intake
from sluice.stream.delivery import Ledger, Ticket


class UnorderedLedger(Ledger[Event]):
    """Lets every finished post be acknowledged at once, whatever still runs before it."""

    def finish(self, ticket: Ticket[Event]) -> list[Event]:
        """See `Ledger.finish`."""
        super().finish(ticket)
        return [ticket.event]


class CommitFirstLedger(Ledger[Event]):
    """Acknowledges a post when it is picked up, before it is scored."""

    def open(self, partition: Hashable, event: Event) -> Ticket[Event]:
        """See `Ledger.open`."""
        event.ack()
        return super().open(partition, event)


class UnorderedIntake(Intake):
    """The intake of the control ``unordered``."""

    ledger_type = UnorderedLedger


class CommitFirstIntake(Intake):
    """The intake of the control ``commit-first``."""

    ledger_type = CommitFirstLedger


INTAKES: dict[str, type[Intake]] = {"unordered": UnorderedIntake, "commit-first": CommitFirstIntake}


def main() -> None:
    """Run one control on the settings of the environment."""
    run_worker(load_settings(), INTAKES[sys.argv[1]])


if __name__ == "__main__":
    main()
