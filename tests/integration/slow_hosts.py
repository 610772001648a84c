"""Servers that make who asks them wait or work."""

from __future__ import annotations

import gzip
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HANG_S = 30.0
_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_ZEROS = gzip.compress(bytes(2**26))

Say = Callable[[bytes], None]


def one_byte_chunks(say: Say) -> None:
    """A body of chunks of one byte, without end."""
    say(_HEAD)
    while True:
        say(b"1\r\nx\r\n" * 100)
        time.sleep(0.01)


def early_hints(say: Say) -> None:
    """Early hints without end."""
    while True:
        say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        time.sleep(0.01)


def gzip_of_zeros(say: Say) -> None:
    """A body that nobody asked to be compressed, of 64 MB."""
    say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_ZEROS))
    say(_ZEROS)


def hang(_say: Say) -> None:
    """Nothing."""
    time.sleep(HANG_S)


@contextmanager
def serve(behave: Callable[[Say], None]) -> Iterator[str]:
    """A server on loopback that behaves like this to everybody."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(4096)
                behave(self.request.sendall)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
