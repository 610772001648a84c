"""Tokens for Kafka from an OIDC provider, by the client credentials grant (RFC 6749, section 4.4)."""

from __future__ import annotations

import ssl
import time

import aiohttp
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from sluice.config import OAuthConfig

TIMEOUT_S = 10.0
RENEW_AT = 0.8
"""Of a token's life: aiokafka asks at each connection, and a token must not end on the way."""


class _Token(msgspec.Struct):
    """What a token endpoint answers (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: float = 60.0


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Gets tokens and keeps each until it is due for another; used on the worker's loop and on the consumer's."""

    def __init__(self, config: OAuthConfig) -> None:
        self._config = config
        self._token = ""
        self._renew_at_s = 0.0

    async def token(self) -> str:
        """A token that is good for a while.

        Raises
        ------
        KafkaConnectionError
            The endpoint gives none; the connection is then tried again.
        """
        if time.monotonic() >= self._renew_at_s:
            try:
                fresh = await self._fetch()
            except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, OSError) as error:
                raise KafkaConnectionError(f"no token from {self._config.token_url}: {type(error).__name__}") from error
            self._token, self._renew_at_s = fresh.access_token, time.monotonic() + fresh.expires_in * RENEW_AT
        return self._token

    async def _fetch(self) -> _Token:
        form = {"grant_type": "client_credentials"} | ({"scope": self._config.scope} if self._config.scope else {})
        client = aiohttp.BasicAuth(self._config.client_id, self._config.client_secret)
        context = ssl.create_default_context(cafile=self._config.ca_file)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S), raise_for_status=True) as session,
            session.post(self._config.token_url, data=form, auth=client, ssl=context) as answer,
        ):
            return msgspec.json.decode(await answer.read(), type=_Token)
