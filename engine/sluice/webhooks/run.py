"""The composition root of ``sluice webhooks``."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import msgspec
from confluent_kafka import Message

from sluice.client.messages import first_time_ms, headers_of
from sluice.config import KafkaConfig
from sluice.formats import decode_verdict, form_of
from sluice.kafka import copied_from, ensure_topics
from sluice.schema import Verdict, encode
from sluice.tracing import parent_of
from sluice.webhooks.config import WebhookConfig
from sluice.webhooks.delivery import Deliverer
from sluice.webhooks.feed import DeadLetters, VerdictFeed
from sluice.webhooks.message import make_webhook
from sluice.webhooks.receiver import Receiver

logger = logging.getLogger(__name__)

NOT_A_VERDICT, NOT_TAKEN = "not_a_verdict", "not_taken"
"""Reasons of dead letters."""


async def run_webhooks(
    kafka: KafkaConfig, config: WebhookConfig, until: asyncio.Event, timeout_s: float = 30.0
) -> None:
    """Deliver decisions until `until` is set.

    Raises
    ------
    KafkaUnavailable
        No broker answered within `timeout_s`.
    SettingsError
        The receiver's URL may not be posted to.
    """
    receiver = Receiver(config)
    try:
        names = (kafka.topics.verdicts, config.dead_letters)
        await asyncio.to_thread(ensure_topics, kafka, timeout_s, names)
        logger.info("webhooks from %s at %s, group %s", kafka.topics.verdicts, kafka.bootstrap, config.group)
        with DeadLetters(kafka, config.dead_letters) as letters:
            work = _Work(config, receiver, letters)
            await VerdictFeed(kafka, config, work.handle).run(until)
            logger.info("stopped; %d webhooks were taken", work.n_taken)
    finally:
        await receiver.close()


class _Work:
    """What is done with each message of the verdict topic."""

    def __init__(self, config: WebhookConfig, receiver: Receiver, letters: DeadLetters) -> None:
        self._config = config
        self._letters = letters
        self._deliverer = Deliverer(receiver, config.max_pause_s, config.n_refusals)

    @property
    def n_taken(self) -> int:
        """Webhooks that the receiver took."""
        return self._deliverer.n_taken

    async def handle(self, message: Message) -> None:
        verdict = _decode(message)
        if verdict is None:
            await self._letters.put(message, NOT_A_VERDICT, "")
        elif self._config.wants(verdict):
            await self._deliver(message, verdict)

    async def _deliver(self, message: Message, verdict: Verdict) -> None:
        webhook = make_webhook(_identify(message), verdict, _as_json(message, verdict), self._config.form)
        webhook = replace(webhook, trace=parent_of(headers_of(message)))
        if why := await self._deliverer.deliver(webhook):
            await self._letters.put(message, NOT_TAKEN, why)


def _as_json(message: Message, verdict: Verdict) -> bytes:
    """As it came, or as it would have come in JSON."""
    value = message.value() or b""
    return value if form_of(value, headers_of(message)) == "json" else encode(verdict)


def _decode(message: Message) -> Verdict | None:
    try:
        return decode_verdict(message.value(), headers_of(message))
    except msgspec.DecodeError:
        return None


def _identify(message: Message) -> str:
    """The same each time that this message is read, also if it was written once more; another for every other one."""
    first = copied_from(headers_of(message))
    return f"msg_{message.partition()}_{message.offset() if first is None else first}_{first_time_ms(message)}"
