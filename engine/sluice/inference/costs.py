"""What requests to a model cost, as its configuration in Triton says, and how many of them it runs at once.

Both differ by where the model is served, so both stand there: a request is worth thirty padded tokens on a CPU, and a
thousand on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import model_config_pb2

from sluice.contract import CELL_COST_PARAMETER, REQUEST_COST_PARAMETER, ModelSpec

EFFICIENT, MOST_EFFICIENT = 4, 16
"""A request is large enough, while little waits, if its rows take the first so many times what it takes by itself:
everybody in it waits for all of it, and so does whoever comes behind. Beyond the second little is saved."""
SHARE_OF_WAITING = 8
"""Between the two it may take this part of all that waits: who waits long anyway gains most by less work."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a request takes: so much by itself, and so much for every cell, padded ones too.

    A cell is a place of a row along the axis in which rows differ, or a whole row where they do not.

    Attributes
    ----------
    request_us, cell_us : float
        Microseconds.
    """

    request_us: float
    cell_us: float

    def seconds(self, n_cells: int) -> float:
        """What a request of so many cells takes."""
        return (self.request_us + self.cell_us * n_cells) / 1e6

    def go_together(self, lengths: Sequence[int], n_waiting: int = 0) -> bool:
        """Whether rows of these lengths cost less in one request than apart, and do not wait long for one another.

        Parameters
        ----------
        n_waiting : int
            Cells of all rows that wait.
        """
        n_cells = len(lengths) * max(lengths)
        n_padded = n_cells - sum(lengths)
        is_short = len(lengths) == 1 or self.cell_us * n_cells <= self._longest_us(n_waiting)
        return is_short and self.cell_us * n_padded <= self.request_us

    def _longest_us(self, n_waiting: int) -> float:
        """What the rows of a request may take while so many cells wait."""
        share_us = self.cell_us * n_waiting / SHARE_OF_WAITING
        return min(max(EFFICIENT * self.request_us, share_us), MOST_EFFICIENT * self.request_us)


ON_CPU, ON_GPU = Costs(5100.0, 190.0), Costs(1000.0, 1.0)
"""What requests to the text encoder cost, roughly: on a core of a CPU, and on an H100
(``ops/bench/half_precision.py``) with the way to it."""


def read_costs(config: Any) -> Costs:
    """What a model's configuration says that requests cost; what it does not say is as the text encoder's.

    Parameters
    ----------
    config : ModelConfig
        Of ``model_config.proto``.
    """
    usual = ON_CPU if _is_on_cpu(config) else ON_GPU
    return Costs(
        _read_cost(config, REQUEST_COST_PARAMETER) or usual.request_us,
        _read_cost(config, CELL_COST_PARAMETER) or usual.cell_us,
    )


def _is_on_cpu(config: Any) -> bool:
    groups = config.instance_group
    return bool(groups) and all(group.kind == model_config_pb2.ModelInstanceGroup.KIND_CPU for group in groups)


def _read_cost(config: Any, name: str) -> float | None:
    """A number over zero; None where there is none."""
    said = config.parameters[name].string_value if name in config.parameters else ""
    try:
        cost = float(said)
    except ValueError:
        return None
    return cost if 0 < cost < math.inf else None


def read_n_requests(spec: ModelSpec, config: Any) -> int:
    """How many requests may be on the way at once: on a CPU one more than there are instances to run them.

    The one more is there when an instance is free. What waits here still gets company, and can be overtaken; what waits
    in Triton cannot. A GPU takes the next request in while it computes.

    Parameters
    ----------
    config : ModelConfig
        Of ``model_config.proto``.
    """
    if not _is_on_cpu(config):
        return spec.n_requests
    n_instances: int = sum(group.count for group in config.instance_group)
    return min(spec.n_requests, n_instances + 1)
