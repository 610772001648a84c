"""The ports of a stack: given, remembered, free."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sluice.errors import StackError
from sluice.local.ports import Ports, choose, recall_ports, remember_ports, require_free


def test_what_is_given_counts_more_than_what_is_remembered(tmp_path: Path) -> None:
    assert recall_ports(tmp_path) == Ports()
    remember_ports(tmp_path, Ports(kafka=9092, triton=8001, metrics=9108))
    assert choose(Ports(triton=7001), recall_ports(tmp_path)) == Ports(kafka=9092, triton=7001, metrics=9108)


@pytest.mark.parametrize("content", ["", "[]", '{"kafka": "many"}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    with pytest.raises(StackError, match=str(tmp_path / "ports.json")):
        recall_ports(tmp_path)


def test_a_port_that_is_taken_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"127.0.0.1:{port} .--triton-port. is taken"):
            require_free(Ports(triton=port))
    require_free(Ports(triton=port))
