"""One request to the receiver: to no address inside our network, without redirects, within its time."""

from __future__ import annotations

import time

import aiohttp
from aiohttp.abc import AbstractResolver

from sluice.errors import PartFailed, SettingsError
from sluice.media.addresses import CheckedResolver, check_url, parse_url
from sluice.webhooks.config import WebhookConfig
from sluice.webhooks.message import Webhook, sign

MAX_HINT_S = 3600.0
"""A receiver that asks to be left alone for longer is asked again by then."""


class NotTaken(Exception):
    """The receiver did not take a message. Says why, without what was in it.

    Parameters
    ----------
    after_s : float
        How long it asks to be left alone.
    """

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class Receiver:
    """Posts messages to one URL; belongs to the event loop that made it.

    Parameters
    ----------
    config : WebhookConfig
    resolver : AbstractResolver, optional
        The system's by default.

    Raises
    ------
    SettingsError
        The URL is none, or may not be posted to.
    """

    def __init__(self, config: WebhookConfig, resolver: AbstractResolver | None = None) -> None:
        try:
            self._url = parse_url(config.url)
            check_url(self._url, config.allow_private)
        except PartFailed as error:
            raise SettingsError(f"--url: {error}") from error
        checked = CheckedResolver(resolver or aiohttp.ThreadedResolver(), config.allow_private)
        self._keys = config.secrets
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=checked, use_dns_cache=False, limit=config.n_in_flight),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sluice-webhooks"},
            trust_env=False,  # a proxy would resolve the name again, unchecked
            timeout=aiohttp.ClientTimeout(total=config.timeout_s),
        )

    async def post(self, webhook: Webhook) -> None:
        """Return once the receiver has taken the message, that is answered 2xx; raises `NotTaken`."""
        headers = sign(webhook, self._keys, int(time.time()))
        try:
            request = self._session.post(self._url, data=webhook.body, headers=headers, allow_redirects=False)
            async with request as answer:  # what it says besides is not read
                if not 200 <= answer.status < 300:
                    raise NotTaken(f"status {answer.status}", _hint(answer.headers.get("Retry-After", "")))
        except PartFailed as error:
            raise NotTaken(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotTaken(type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def _hint(text: str) -> float:
    return min(float(text), MAX_HINT_S) if text.isdecimal() else 0.0
