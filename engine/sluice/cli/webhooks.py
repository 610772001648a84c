"""``sluice webhooks``, and ``sluice new-webhook-secret`` beside it."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import say
from sluice.cli.options import KafkaOption
from sluice.cli.verdicts import DecisionChoice
from sluice.cli.worker_log import LogFormat, log_to_standard_error
from sluice.schema import DECISIONS
from sluice.webhooks.config import Form, WebhookConfig

if TYPE_CHECKING:
    from sluice.connection import Connection


def webhooks(
    url: Annotated[str, typer.Option(help="The receiver: HTTP or HTTPS, on port 80 or 443, outside your own network.")],
    decision: Annotated[
        list[DecisionChoice] | None, typer.Option(help="Which verdicts; may be repeated. Default: block and review.")
    ] = None,
    named: Annotated[
        str | None, typer.Option(help="Only verdicts of which a rule says webhook: NAME, whatever their decision.")
    ] = None,
    form: Annotated[Form, typer.Option(help="What the body is.")] = Form.standard,
    group: Annotated[str, typer.Option(help="Consumer group: knows what was delivered.")] = WebhookConfig.group,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Let a new group begin with the oldest verdict that Kafka has.")
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="The receiver may be inside your own network, and on any port.")
    ] = False,
    kafka: KafkaOption = None,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="SLUICE_LOG_FORMAT", help="text for people, or a JSON object a line.")
    ] = LogFormat.text,
) -> None:
    """Post decisions to a receiver, signed (Standard Webhooks), until SIGTERM or Ctrl-C.

    The secret is SLUICE_WEBHOOK_SECRET, or in the file that SLUICE_WEBHOOK_SECRET_FILE names. A receiver that is away
    is waited for. Each verdict comes at least once, with the same webhook-id each time.

    Example: SLUICE_WEBHOOK_SECRET_FILE=secret.txt sluice webhooks --url https://forum.example/hooks/moderation
    """
    from sluice.connection import find_connection
    from sluice.settings import load_webhook_secret
    from sluice.webhooks.message import read_secrets

    decisions = tuple(one for one in DECISIONS if one in (decision or WebhookConfig.decisions))
    config = WebhookConfig(
        url,
        read_secrets(load_webhook_secret()),
        decisions,
        form,
        group,
        from_beginning,
        named,
        allow_private=allow_private,
    )
    log_to_standard_error(log_format)
    asyncio.run(_run(find_connection(kafka), config))


async def _run(to: Connection, config: WebhookConfig) -> None:
    from sluice.webhooks.run import run_webhooks

    until = asyncio.Event()

    def asked_to_leave(number: signal.Signals) -> None:
        logging.getLogger("sluice.webhooks").info("%s: stops", number.name)
        until.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_leave, number)
    await run_webhooks(to.kafka, config, until, to.timeout_s)


def new_secret() -> None:
    """Make a secret for webhooks: to be kept by whoever sends and whoever receives.

    Example: sluice new-webhook-secret > secret.txt
    """
    import base64
    import secrets

    from sluice.webhooks.message import SECRET_PREFIX

    say("a new secret; several, separated by blanks, all sign, so that a receiver may change to a new one")
    typer.echo(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())
