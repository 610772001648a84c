"""Alertmanager as ops/alertmanager configures it, and people who are told: a webhook receiver and a mail server."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

START = Path(__file__).resolve().parents[1] / "ops" / "alertmanager" / "start.sh"


def render(config: Path, environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run start.sh with these variables and no other ``ALERT_…``; `command` is what it starts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
    return subprocess.run(
        ["/bin/sh", str(START), str(config), *(command or ("true",))],
        env={**kept, **environment}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


class Told:
    """Messages that reached somebody; each may be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: list[Any] = []

    def take(self, message: Any) -> None:
        """Note a message."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def all(self) -> list[Any]:
        """What has come so far."""
        with self._changed:
            return list(self._messages)

    def wait_for(self, n_messages: int, timeout_s: float = 60.0) -> list[Any]:
        """Wait until so many have come; fails when they do not."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._messages) >= n_messages, timeout_s), self._messages
            return list(self._messages)


@contextmanager
def webhook_receiver() -> Iterator[tuple[str, Told]]:
    """Take Alertmanager's webhooks at the URL: ``(path, body)`` of each."""
    told = Told()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.take((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Receiver)) as address:
        yield f"http://{address}", told


@contextmanager
def mail_server() -> Iterator[tuple[str, Told]]:
    """Take e-mail over SMTP (RFC 5321) at ``host:port``: the text of each, headers first."""
    told = Told()

    class Mailbox(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say(220)
            for line in self.rfile:
                verb = line.strip().upper()
                if verb == b"DATA":
                    self._say(354)
                    told.take(b"".join(self._body()).decode())
                self._say(221 if verb == b"QUIT" else 250)
                if verb == b"QUIT":
                    return

        def _body(self) -> Iterator[bytes]:
            for line in self.rfile:
                if line == b".\r\n":
                    return
                yield line

        def _say(self, code: int) -> None:
            self.wfile.write(f"{code} here\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)) as address:
        yield address, told


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
