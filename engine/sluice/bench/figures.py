"""What a post costs, out of the ``bench.json`` of runs with one mix or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import scipy.optimize

from sluice.bench.measure import GENERATOR
from sluice.bench.names import RowName
from sluice.bench.posts import N_PICTURES, Mix
from sluice.errors import BenchmarkError

ROWS = (RowName.sluice, RowName.sluice_whole, RowName.sluice_bare)
"""Whose figures may be planned with: one worker on Kafka."""
WORKER, KAFKA = "worker", "kafka"
_SEVERAL = sum(N_PICTURES) / 2


class _Row(msgspec.Struct):
    row: str
    posts_per_s: float | None
    cpu_ms_per_post: dict[str, float]


class _Setting(msgspec.Struct):
    shares: Mix
    n_cores: int


class _Run(msgspec.Struct):
    setting: _Setting
    rows: list[_Row]


@dataclass(frozen=True)
class Figures:
    """What one run measured.

    Attributes
    ----------
    cpu_ms : mapping of str to float
        Milliseconds of CPU per post by process: worker, Kafka, and every model; the generator's too.
    """

    mix: Mix
    n_cores: int
    posts_per_s: float
    cpu_ms: Mapping[str, float]


def read_figures(file: Path, wanted: RowName = RowName.sluice) -> Figures:
    """Read what ``sluice bench --out`` wrote of a row.

    Raises
    ------
    BenchmarkError
        The file is none, or its run did not measure the row; names the file.
    """
    try:
        run = msgspec.json.decode(file.read_bytes(), type=_Run)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchmarkError(f"{file} is not what sluice bench --out writes: {error}") from error
    for row in run.rows:
        if row.row == wanted and row.posts_per_s:
            return Figures(run.setting.shares, run.setting.n_cores, row.posts_per_s, row.cpu_ms_per_post)
    raise BenchmarkError(f"{file} has no figures of the row {wanted}")


def parts_of(mix: Mix) -> tuple[float, float, float]:
    """Texts, pictures and clips of a post, on average."""
    return 1.0, (mix.picture + _SEVERAL * mix.pictures) / 100, mix.sound / 100


def cost_of(mix: Mix, runs: Sequence[Figures]) -> dict[str, float]:
    """Milliseconds of CPU per post of a mix, by process, without the generator's.

    A run with the same parts is taken as it is. Else a text, a picture and a clip have a cost each, by least squares,
    none of them negative (Lawson and Hanson's NNLS).

    Raises
    ------
    BenchmarkError
        The runs do not tell the costs of the parts apart, or had another share of repeats, which cost next to nothing.
    """
    _require_repeats(mix, runs)
    wanted = np.array(parts_of(mix))
    for run in runs:
        if np.allclose(parts_of(run.mix), wanted, atol=1e-3):
            return _without_generator(run.cpu_ms)
    parts = np.array([parts_of(run.mix) for run in runs]).reshape(-1, len(wanted))
    needed = wanted > 0
    rank = np.linalg.matrix_rank(parts[:, needed]) if runs else 0
    if rank < needed.sum() or parts[:, ~needed].any():
        raise BenchmarkError(
            f"the mix {mix} was not measured, and these runs do not tell what a text, a picture and a clip cost: "
            "add runs with --mix text, --mix 0/100/0/0 and --mix 0/0/0/100"
        )
    roles = dict.fromkeys(role for run in runs for role in run.cpu_ms if role != GENERATOR)
    fitted = {r: scipy.optimize.nnls(parts[:, needed], [run.cpu_ms.get(r, 0.0) for run in runs])[0] for r in roles}
    return {role: float(costs @ wanted[needed]) for role, costs in fitted.items()}


def _require_repeats(mix: Mix, runs: Sequence[Figures]) -> None:
    if other := sorted({run.mix.repeats for run in runs} - {mix.repeats}):
        raise BenchmarkError(
            f"a run was measured with {other[0]:g} % repeats and is to be planned with {mix.repeats:g} %: "
            f"plan with --repeats {other[0]:g}, or measure with sluice bench --repeats {mix.repeats:g}"
        )


def _without_generator(cpu_ms: Mapping[str, float]) -> dict[str, float]:
    return {role: ms for role, ms in cpu_ms.items() if role != GENERATOR}


def predict(run: Figures, cost_ms: Mapping[str, float]) -> float:
    """Posts per second that the run's machine should come to, all cores busy, the generator's share included."""
    return run.n_cores * 1000 / (sum(cost_ms.values()) + run.cpu_ms.get(GENERATOR, 0.0))
