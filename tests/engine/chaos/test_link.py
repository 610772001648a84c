"""The link between workers and Triton, in front of a real server that echoes."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from sluice.chaos.link import GARBLED_BYTES, Frames, Link, LinkMode

MESSAGE = b"twenty bytes of text"


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(1024):
            self.request.sendall(received)


@pytest.fixture
def link() -> Iterator[Link]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Link(f"127.0.0.1:{server.server_address[1]}") as link:
            yield link
        server.shutdown()


def connect(link: Link) -> socket.socket:
    host, port = link.address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.settimeout(30)
    return connection


def receive(connection: socket.socket, n_bytes: int) -> bytes:
    received = b""
    while len(received) < n_bytes and (chunk := connection.recv(1024)):
        received += chunk
    return received


def exchange(connection: socket.socket) -> bytes:
    connection.sendall(MESSAGE)
    return receive(connection, len(MESSAGE))


@pytest.mark.parametrize("mode", [LinkMode.faithful, LinkMode.slow])
def test_what_passes_is_whole(link: Link, mode: LinkMode) -> None:
    link.set_mode(mode)
    with connect(link) as connection:
        assert exchange(connection) == MESSAGE


def test_a_corrupt_link_damages_what_comes_back(link: Link) -> None:
    link.set_mode(LinkMode.corrupt)
    with connect(link) as connection:
        received = exchange(connection)
    assert received[:GARBLED_BYTES] != MESSAGE[:GARBLED_BYTES]
    assert received[GARBLED_BYTES:] == MESSAGE[GARBLED_BYTES:]


def make_frame(n_bytes: int) -> bytes:
    return n_bytes.to_bytes(3, "big") + bytes(6) + b"x" * n_bytes


def test_a_frame_is_found_however_the_stream_is_cut() -> None:
    stream = make_frame(5) + make_frame(0) + make_frame(300) + make_frame(1)
    starts = [0, 14, 23, 332]
    for size in range(1, len(stream) + 1):
        frames, found = Frames(), []
        for at in range(0, len(stream), size):
            first = frames.find_first(stream[at : at + size])
            found.append(None if first is None else at + first)
        expected = [next((at for at in starts if begin <= at < begin + size), None) for begin in range(0, 342, size)]
        assert found == expected


def test_a_corrupt_link_leaves_numbers_alone(link: Link) -> None:
    """What follows in a frame that began before the link was corrupt passes whole."""
    whole = make_frame(200)
    with connect(link) as connection:
        connection.sendall(whole[:100])
        first = receive(connection, 100)
        link.set_mode(LinkMode.corrupt)
        connection.sendall(whole[100:])
        assert first + receive(connection, len(whole) - 100) == whole


def test_a_silent_link_passes_nothing_and_closes_what_it_silenced(link: Link) -> None:
    with connect(link) as connection:
        assert exchange(connection) == MESSAGE
        link.set_mode(LinkMode.silent)
        connection.sendall(MESSAGE)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
        link.set_mode(LinkMode.faithful)
        connection.settimeout(30)
        assert connection.recv(1024) == b""
    with connect(link) as again:
        assert exchange(again) == MESSAGE


def test_a_server_that_is_away_closes_the_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Link(f"127.0.0.1:{unused.getsockname()[1]}") as link, connect(link) as connection:
            assert connection.recv(1024) == b""
