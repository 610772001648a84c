"""The policy in use, and the file it came from, which may be read again while posts are scored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sluice.errors import PolicyError
from sluice.metrics import Metrics
from sluice.verdict.policy import Policy, load_policy

logger = logging.getLogger(__name__)


class PolicyFile:
    """Reads a policy file, and hands its policy to whoever decides by it.

    Parameters
    ----------
    path : Path
    metrics : Metrics
        Told which policy is in use, and how often it was read again.

    Attributes
    ----------
    current : Policy
        The last one that was valid.

    Raises
    ------
    PolicyError
        The file is wrong, at the start.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._uses: list[Callable[[Policy], None]] = []
        self._take(load_policy(path))

    def used_by(self, use: Callable[[Policy], None]) -> None:
        """Call `use` with every policy from now on that the file holds."""
        self._uses.append(use)

    def reload(self) -> None:
        """Read the file again; a wrong one changes nothing but the log and a count."""
        try:
            policy = load_policy(self._path)
        except PolicyError as error:
            self._metrics.policy_reloads.labels("refused").inc()
            logger.error("the policy stays %s version %d: %s", self.current.name, self.current.version, error)
            return
        self._metrics.policy_reloads.labels("taken").inc()
        self._take(policy)
        for use in self._uses:
            use(policy)

    def _take(self, policy: Policy) -> None:
        self.current = policy
        self._metrics.policy.clear()
        self._metrics.policy.labels(policy.name, policy.version).set(1)
        logger.info("policy %s version %d, from %s", policy.name, policy.version, self._path)
