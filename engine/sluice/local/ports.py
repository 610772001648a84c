"""The ports of a stack: given, remembered from the last time in its folder, or free ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from sluice.errors import StackError
from sluice.local.processes import LOOPBACK, accepts_tcp


@dataclass(frozen=True)
class Ports:
    """Ports on loopback; 0 takes a free one."""

    kafka: int = 0
    triton: int = 0
    metrics: int = 0
    http: int = 0


def recall_ports(state_dir: Path) -> Ports:
    """The ports that the stack of this folder had last; zeros if it had none.

    Raises
    ------
    StackError
        The file that holds them is damaged; names it.
    """
    path = _file_of(state_dir)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ports)
    except FileNotFoundError:
        return Ports()
    except (OSError, msgspec.DecodeError) as error:
        raise StackError(f"{path}: not the ports of a stack: {error}") from error


def remember_ports(state_dir: Path, ports: Ports) -> None:
    """Keep them for the next start."""
    _file_of(state_dir).write_bytes(msgspec.json.encode(ports) + b"\n")


def _file_of(state_dir: Path) -> Path:
    return state_dir / "ports.json"


def choose(given: Ports, remembered: Ports) -> Ports:
    """Those that are given, else those that are remembered."""
    return replace(remembered, **{name: port for name, port in asdict(given).items() if port})


def require_free(ports: Ports) -> None:
    """Raise `StackError` if somebody listens on one of them already, who would answer for the stack."""
    for name, port in asdict(ports).items():
        if port and accepts_tcp(port):
            raise StackError(f"{LOOPBACK}:{port} (--{name}-port) is taken by another program")
