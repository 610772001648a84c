"""The functions that Osprey's rules may call, and the hook by which it finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from osprey.engine.executor.execution_context import ExecutionContext
from osprey.engine.udf.arguments import ArgumentsBase
from osprey.engine.udf.base import UDFBase
from osprey.worker.adaptor.plugin_manager import hookimpl_osprey

from .scores import read_decision, read_score


class SluiceScoreArguments(ArgumentsBase):  # type: ignore[misc]
    """Which label of which text."""

    text: str
    label: str


class SluiceScore(UDFBase[SluiceScoreArguments, float]):  # type: ignore[misc]
    """The probability that a text carries a label, such as ``threat``, in [0, 1]."""

    execute_async = True
    category = "Moderation"

    def execute(self, execution_context: ExecutionContext, arguments: SluiceScoreArguments) -> float:
        """Ask Sluice."""
        return read_score(arguments.text, arguments.label)


class SluiceDecisionArguments(ArgumentsBase):  # type: ignore[misc]
    """On which text."""

    text: str


class SluiceDecision(UDFBase[SluiceDecisionArguments, str]):  # type: ignore[misc]
    """What Sluice's policy decides on a text: ``allow``, ``review`` or ``block``."""

    execute_async = True
    category = "Moderation"

    def execute(self, execution_context: ExecutionContext, arguments: SluiceDecisionArguments) -> str:
        """Ask Sluice."""
        return read_decision(arguments.text)


@hookimpl_osprey  # type: ignore[untyped-decorator]
def register_udfs() -> Sequence[type[UDFBase[Any, Any]]]:
    """Osprey's hook."""
    return [SluiceScore, SluiceDecision]
