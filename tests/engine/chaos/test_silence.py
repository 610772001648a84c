"""A server that takes requests and answers none."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from sluice.chaos.silence import SilentServer


def ask(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.sendall(f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return connection


def test_it_takes_every_request_and_answers_none_before_it_stops() -> None:
    with SilentServer() as server:
        connections = [ask(server.url) for _ in range(3)]
        for connection in connections:
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    for connection in connections:
        connection.settimeout(30)
        with connection:
            assert connection.recv(1) == b""


def test_it_listens_no_more_when_it_has_stopped() -> None:
    with SilentServer() as server:
        url = server.url
    with pytest.raises(ConnectionRefusedError):
        ask(url)
