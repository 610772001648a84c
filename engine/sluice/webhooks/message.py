"""A verdict as a webhook: its body, and the headers of Standard Webhooks that sign it.

Source: the Standard Webhooks specification 1.0.0 (``webhook-id``, ``webhook-timestamp``, ``webhook-signature`` with
HMAC-SHA256, secrets that begin with ``whsec_``); CloudEvents 1.0.2, structured content mode over HTTP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from sluice.errors import SettingsError
from sluice.schema import Verdict
from sluice.webhooks.config import Form

SECRET_PREFIX = "whsec_"  # noqa: S105  # of every secret, and none itself
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
EVENT_PREFIX = "moderation.verdict."
SOURCE = "/sluice/moderation.verdicts"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message to a receiver.

    Attributes
    ----------
    identifier : str
        The same for every try, so that a receiver can know a message that comes twice.
    trace : dict of str to str
        The ``traceparent`` that the verdict came with, if it did.
    """

    identifier: str
    body: bytes
    content_type: str
    trace: dict[str, str] = field(default_factory=dict)


def make_webhook(identifier: str, verdict: Verdict, as_json: bytes, form: Form) -> Webhook:
    """The message of a verdict, whose JSON goes in as it came."""
    kind, data = EVENT_PREFIX + verdict.decision, msgspec.Raw(as_json)
    if form is Form.standard:
        body = msgspec.json.encode({"type": kind, "timestamp": verdict.scored_at, "data": data})
        return Webhook(identifier, body, "application/json")
    event = {
        "specversion": "1.0",
        "id": identifier,
        "source": SOURCE,
        "type": kind,
        "subject": verdict.post_id,
        "time": verdict.scored_at,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Webhook(identifier, msgspec.json.encode(event), "application/cloudevents+json")


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The keys in a setting: secrets as Standard Webhooks writes them, separated by blanks.

    Raises
    ------
    SettingsError
        There is none, or one is not base64 of 24 to 64 bytes behind ``whsec_``.
    """
    keys = tuple(_read_secret(secret) for secret in text.split())
    if not keys:
        raise SettingsError("SLUICE_WEBHOOK_SECRET: a webhook has to be signed; `sluice new-webhook-secret` makes one")
    return keys


def _read_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not (secret.startswith(SECRET_PREFIX) and MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES):
        raise SettingsError(
            f"SLUICE_WEBHOOK_SECRET: not {SECRET_PREFIX} and base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes"
        )
    return key


def sign(webhook: Webhook, keys: Sequence[bytes], now: int) -> dict[str, str]:
    """The headers of one try.

    Parameters
    ----------
    now : int
        Seconds since the epoch: a receiver refuses what is old.
    """
    signed = f"{webhook.identifier}.{now}.".encode() + webhook.body
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return {
        **webhook.trace,
        "content-type": webhook.content_type,
        "webhook-id": webhook.identifier,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
