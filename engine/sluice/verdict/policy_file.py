"""The policies in force: those of files, which may be read again while posts are scored, and those laid over them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import PolicyError
from sluice.metrics import Metrics
from sluice.verdict.documents import Document
from sluice.verdict.overlay import Overlaid, Wanted, lay_over
from sluice.verdict.policy_set import PolicySet, SetBuilder, read_documents

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A set that may be put in force, and what it was made of."""

    files: Sequence[Document]
    wanted: Sequence[Wanted]
    overlaid: Overlaid


class PolicyFile:
    """Reads a policy file, or a folder of them, and hands the set to whoever decides by it.

    Parameters
    ----------
    path : Path
    metrics : Metrics
        Told which policies are in use, and how often they were changed.

    Attributes
    ----------
    current : PolicySet
        The last one that was valid.

    Raises
    ------
    PolicyError
        A file is wrong, at the start.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._builder, self._building = SetBuilder(), threading.Lock()
        self._uses: list[Callable[[PolicySet], None]] = []
        self._said: frozenset[str] = frozenset()
        self._files: Sequence[Document] = read_documents(path)
        self._wanted: Sequence[Wanted] = ()
        self._named: dict[tuple[str, int], str] = {}
        self._take(self.combine(()).overlaid)

    def used_by(self, use: Callable[[PolicySet], None]) -> None:
        """Call `use` with every set from now on."""
        self._uses.append(use)

    def reload(self) -> None:
        """Read the files again; a wrong one changes nothing but the log and a count."""
        try:
            made = self._make(read_documents(self._path), self._wanted)
        except PolicyError as error:
            self._metrics.policy_reloads.labels("refused").inc()
            logger.error("the policy stays %s: %s", _name(self.current), error)
            return
        self._files = made.files
        self._metrics.policy_reloads.labels("taken").inc()
        self._take(made.overlaid)

    def combine(self, wanted: Sequence[Wanted]) -> Made:
        """The set of the files and of what is wanted in their place. It may take a while, and run on any thread."""
        return self._make(self._files, wanted)

    def use(self, made: Made) -> None:
        """Put a set in force, on the loop's thread; what was refused on the way to it is logged once, and counted."""
        if made.files is not self._files:  # they were read again meanwhile
            made = self.combine(made.wanted)
        self._wanted = made.wanted
        for line in made.overlaid.refused:
            if line not in self._said:
                self._metrics.policy_reloads.labels("refused").inc()
                logger.warning("a policy is refused, and the one before it stays: %s", line)
        self._said = frozenset(made.overlaid.refused)
        if made.overlaid.policies.refs != self.current.refs:
            self._metrics.policy_reloads.labels("taken").inc()
            self._take(made.overlaid)

    def lay_over(self, wanted: Sequence[Wanted]) -> None:
        """Put in force what is wanted in place of files of the same name; see `sluice.verdict.overlay.lay_over`."""
        self.use(self.combine(wanted))

    def _make(self, files: Sequence[Document], wanted: Sequence[Wanted]) -> Made:
        with self._building:
            return Made(files, wanted, lay_over(self._builder, files, wanted))

    def _take(self, overlaid: Overlaid) -> None:
        self.current = overlaid.policies
        sources = {document.name: document.source for document in overlaid.documents}
        named = {(ref.name, ref.version): ref.sha256 for ref in self.current.refs}
        for gone in self._named.keys() - named.keys():
            self._metrics.policy.remove(*gone)
        for (name, version), sha256 in named.items():
            self._metrics.policy.labels(name, version).set(1)
            if self._named.get((name, version)) != sha256:
                logger.info("policy %s version %d, from %s", name, version, sources.get(name, "the package"))
        self._named = named
        for use in self._uses:
            use(self.current)


def _name(policies: PolicySet) -> str:
    return ", ".join(f"{ref.name} version {ref.version}" for ref in policies.refs)
