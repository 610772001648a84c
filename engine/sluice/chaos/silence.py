"""A web server that never answers: media there hold a post until its deadline."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sluice.local.processes import LOOPBACK, RunningInside


class SilentServer(RunningInside):
    """Takes HTTP requests on loopback and answers none before it stops."""

    def __init__(self) -> None:
        release = self._release = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                release.wait()

            def log_message(self, *_: object) -> None:
                """Say nothing: the requests are expected."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="chaos-silence", daemon=True)

    @property
    def url(self) -> str:
        """Address of a picture that never comes."""
        return f"http://{LOOPBACK}:{self._server.server_port}/never.png"

    def start(self) -> None:
        """Take requests."""
        self._thread.start()

    def stop(self) -> None:
        """Let every request go and stop."""
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
