"""What every peer on Kafka is told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import cast

from sluice.bench.plain_model import Precision


@dataclass(frozen=True)
class PeerOptions:
    """Where a peer reads posts and writes answers."""

    kafka: str
    posts: str
    verdicts: str
    group: str
    precision: Precision


def read_options() -> PeerOptions:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    for name in ("kafka", "posts", "verdicts", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--precision", choices=("8bit", "32bit"), default="8bit")
    found = parser.parse_args()
    return PeerOptions(found.kafka, found.posts, found.verdicts, found.group, cast(Precision, found.precision))


def write_options(options: PeerOptions) -> list[str]:
    """The command line that `read_options` reads."""
    named = {"kafka": options.kafka, "posts": options.posts, "verdicts": options.verdicts, "group": options.group}
    return [word for name, value in {**named, "precision": options.precision}.items() for word in (f"--{name}", value)]
