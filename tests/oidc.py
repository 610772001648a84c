"""A small OIDC provider: tokens by client credentials, signed RS256, and the keys to check them by."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER, AUDIENCE, KEY_ID = "https://idp.example", "kafka", "made-up"


@dataclass
class Provider:
    """What it knows, and what it was asked."""

    client_id: str
    client_secret: str
    life_s: int = 300
    n_given: int = 0
    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def jwks(self) -> dict[str, object]:
        """The public key (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()
        shown = {"n": _encode_number(numbers.n), "e": _encode_number(numbers.e)}
        return {"keys": [{"kty": "RSA", "kid": KEY_ID, "use": "sig", "alg": "RS256", **shown}]}

    def token(self) -> dict[str, object]:
        """A token and how long it is good for (RFC 6749, section 5.1)."""
        self.n_given += 1
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": self.client_id, "iat": now, "exp": now + self.life_s}
        signed = f"{_encode_json({'alg': 'RS256', 'typ': 'JWT', 'kid': KEY_ID})}.{_encode_json(claims)}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {"access_token": f"{signed}.{_encode(signature)}", "expires_in": self.life_s, "token_type": "Bearer"}

    def knows(self, authorization: str) -> bool:
        """Whether HTTP's basic authentication carries the client's name and secret."""
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return authorization == f"Basic {expected}"


@contextmanager
def running_provider(client_id: str, client_secret: str) -> Iterator[Provider]:
    """The provider on a free port of loopback: ``/token`` and ``/jwks``."""
    provider = Provider(client_id, client_secret)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, provider.jwks())

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if not provider.knows(self.headers.get("Authorization", "")):
                self._answer(401, {"error": "invalid_client"})
            elif form.get("grant_type") != ["client_credentials"]:
                self._answer(400, {"error": "unsupported_grant_type"})
            else:
                self._answer(200, provider.token())

        def _answer(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests say enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _encode_json(content: dict[str, object]) -> str:
    return _encode(json.dumps(content).encode())


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
