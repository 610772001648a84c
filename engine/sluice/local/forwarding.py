"""A port of our choice in front of a server that chooses its own: librdkafka's mock cluster takes no port.

Only a client's first connection comes this way. In the answer it reads the server's own address, which it uses from
then on.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from sluice.local.processes import LOOPBACK

CHUNK_BYTES = 64 * 1024


def forward(port: int, target: str) -> None:
    """Pass on what comes to a loopback port, in threads that end with the process.

    Parameters
    ----------
    port : int
        Raises `OSError` if it is taken.
    target : str
        ``host:port``.
    """
    host, _, target_port = target.rpartition(":")
    server = socket.create_server((LOOPBACK, port))
    _run(_accept, server, (host, int(target_port)))


def _accept(server: socket.socket, target: tuple[str, int]) -> None:
    while True:
        client, _ = server.accept()
        try:
            there = socket.create_connection(target)
        except OSError:
            client.close()
            continue
        _run(_copy, client, there)
        _run(_copy, there, client)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Until one of the two ends; then the other is told."""
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _run(work: object, *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]
