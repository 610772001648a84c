"""A port of our choice in front of a server that chooses its own."""

from __future__ import annotations

import socket
import threading

from sluice.local.forwarding import forward
from sluice.local.processes import find_free_ports


def test_bytes_go_both_ways_and_the_end_of_either_is_told() -> None:
    (port,) = find_free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        forward(port, f"127.0.0.1:{server.getsockname()[1]}")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            there, _ = server.accept()
            client.sendall(b"request")
            client.shutdown(socket.SHUT_WR)
            with there:
                assert there.makefile("rb").read() == b"request"
                there.sendall(b"answer" * 50_000)
                received = threading.Thread(target=there.shutdown, args=(socket.SHUT_WR,))
                received.start()
                assert client.makefile("rb").read() == b"answer" * 50_000


def test_a_client_of_a_server_that_is_gone_is_let_go() -> None:
    (port, nobody) = find_free_ports(2)
    forward(port, f"127.0.0.1:{nobody}")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        assert client.recv(1) == b""
