"""One verdict until the receiver has it, or until it is known that it is the verdict that it does not want."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Protocol

from sluice.webhooks.message import Webhook
from sluice.webhooks.receiver import NotTaken

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5


class Posts(Protocol):
    """The part of `Receiver` that is needed here."""

    async def post(self, webhook: Webhook) -> None:
        """Return once the message is taken; raises `NotTaken`."""
        ...


class Deliverer:
    """Tries until a message is taken, with pauses that double, and jitter.

    A receiver that is down, or refuses everything since its settings are wrong, is waited for without end: nothing is
    given up over an outage. A message that fails again and again while the receiver takes others is itself at fault.

    Parameters
    ----------
    max_pause_s : float
    n_refusals : int
        So many failures, between each of which others were taken.
    """

    def __init__(self, receiver: Posts, max_pause_s: float, n_refusals: int) -> None:
        self._receiver = receiver
        self._max_pause_s = max_pause_s
        self._n_refusals = n_refusals
        self.n_taken = 0

    async def deliver(self, webhook: Webhook) -> str | None:
        """Return once the receiver has the message: None, or why it is given up."""
        n_tries = n_blamed = 0
        while True:
            n_taken = self.n_taken
            try:
                await self._receiver.post(webhook)
            except NotTaken as error:
                failure = error
            else:
                self.n_taken += 1
                return None
            n_tries += 1
            logger.warning("%s: not taken at try %d: %s", webhook.identifier, n_tries, failure)
            await asyncio.sleep(self._pause_s(n_tries, failure))
            n_blamed += self.n_taken > n_taken
            if n_blamed >= self._n_refusals:
                logger.error("%s is given up: %s", webhook.identifier, failure)
                return str(failure)

    def _pause_s(self, n_tries: int, failure: NotTaken) -> float:
        """Full jitter: a receiver that comes back is not to be met by all at once."""
        longest = min(self._max_pause_s, FIRST_PAUSE_S * 2 ** min(n_tries, 20))
        return max(failure.after_s, random.uniform(longest / 2, longest))  # noqa: S311
