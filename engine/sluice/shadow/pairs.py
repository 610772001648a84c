"""The two verdicts of one post, which come at different times and in any order, together again."""

from __future__ import annotations

from sluice.schema import PostKey, Verdict

N_WAITING = 100_000
"""Verdicts of each side that may wait for the other's, a few hundred megabytes at most."""


Waiting = dict[PostKey, Verdict]
"""By tenant and id."""


class Pairs:
    """Verdicts that wait for their counterpart.

    Parameters
    ----------
    n_waiting : int
        Of each side; of more, the one that has waited longest is given up.

    Attributes
    ----------
    n_unmatched : int
        So many were given up.
    """

    def __init__(self, n_waiting: int = N_WAITING) -> None:
        self._n_waiting = n_waiting
        self._live: Waiting = {}
        self._shadow: Waiting = {}
        self.n_unmatched = 0

    def add_live(self, verdict: Verdict) -> tuple[Verdict, Verdict] | None:
        """The live and the shadow verdict of this post, if both are there now."""
        other = self._meet(verdict, self._live, self._shadow)
        return None if other is None else (verdict, other)

    def add_shadow(self, verdict: Verdict) -> tuple[Verdict, Verdict] | None:
        """See `add_live`."""
        other = self._meet(verdict, self._shadow, self._live)
        return None if other is None else (other, verdict)

    def _meet(self, verdict: Verdict, own: Waiting, others: Waiting) -> Verdict | None:
        post = (verdict.tenant, verdict.post_id)
        other = others.pop(post, None)
        if other is None:
            own[post] = verdict
            if len(own) > self._n_waiting:
                del own[next(iter(own))]
                self.n_unmatched += 1
        return other
