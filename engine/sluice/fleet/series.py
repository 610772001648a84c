"""The series of several workers as one worker would have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

MIN, MAX = ("sluice_triton_up", "sluice_history_newest_timestamp_seconds"), ("_info", "_level")
"""Series of which the lowest says what holds for all, and endings of those of which the highest does."""


def merge(texts: Iterable[str]) -> bytes:
    """One exposition out of several, in Prometheus' text format.

    Counters, histograms and what is in flight are added up; of what says whether Triton answers, the lowest counts; of
    what names a version, or a level, the highest; and a series is as old as its oldest.
    """
    registry = CollectorRegistry()
    registry.register(_Merged([family for text in texts for family in text_string_to_metric_families(text)]))
    return generate_latest(registry)


class _Merged(Collector):
    """Families of one name together."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """One family for each name, in the order in which they first come."""
        by_name: dict[str, list[Metric]] = {}
        for family in self._families:
            by_name.setdefault(family.name, []).append(family)
        for families in by_name.values():
            yield _add_up(families)


def _add_up(families: Sequence[Metric]) -> Metric:
    first = families[0]
    values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    for family in families:
        for sample in family.samples:
            values.setdefault((sample.name, tuple(sample.labels.items())), []).append(sample.value)
    merged = Metric(first.name, first.documentation, first.type)
    for (name, labels), found in values.items():
        merged.add_sample(name, dict(labels), _choose(name)(found))
    return merged


def _choose(name: str) -> Callable[[Sequence[float]], float]:
    if name in MIN or name.endswith("_created"):
        return min
    return max if name.endswith(MAX) else sum
