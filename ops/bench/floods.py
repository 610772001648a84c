"""Flood a worker with heavy posts, each kind at its full size, and say what it and the texts of others came to.

Starts the embedded stack with a real Kafka. Prints a table, or with --json an object per flood: posts, outcomes,
seconds, the peak memory of the worker and its children, and how long texts of others took meanwhile. Ends with status 1
if a post has no outcome, or the peak is over the limit.

``python ops/bench/floods.py [--only NAME] [--scale 1.0] [--broker kafka] [--json]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sluice.memory_plan import MemoryPlan
from tests.integration.floods import FLOODS, open_bench

WIDTH = 12
FLOODS_BY_NAME = {flood.__name__: flood for flood in FLOODS}

Row = Mapping[str, str | int | float]


def measure(names: list[str], scale: float, broker: str) -> Iterator[Row]:
    """Run floods on a fresh stack, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_bench(Path(folder), broker="kafka" if broker == "kafka" else "embedded") as bench,
    ):
        for name in names:
            yield FLOODS_BY_NAME[name](bench, scale).as_dict()


def as_line(row: Row) -> str:
    """A line of the table."""
    name, *numbers = row.values()
    return f"{name:<28}" + "".join(f"{number:>{WIDTH}}" for number in numbers)


def is_sound(row: Row) -> bool:
    """Whether every post has its outcome, within the memory that there is."""
    return row["posts"] == row["outcomes"] and float(row["peak_mb"]) < MemoryPlan.total_mb


def main() -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(FLOODS_BY_NAME), help="may be given more than once")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of posts")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="kafka")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    rows: list[Mapping[str, str | int | float]] = []
    for row in measure(options.only or list(FLOODS_BY_NAME), options.scale, options.broker):
        if not (rows or options.json):
            print(as_line({name: name for name in row}))
        rows.append(row)
        print(json.dumps(row) if options.json else as_line(row), flush=True)
    sys.exit(not all(map(is_sound, rows)))


if __name__ == "__main__":
    main()
