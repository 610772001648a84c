"""``sluice serve``, and ``sluice new-key`` beside it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, ending_like_ctrl_c, say
from sluice.cli.options import TritonOption
from sluice.errors import SettingsError

if TYPE_CHECKING:
    from sluice.config import KafkaConfig
    from sluice.settings import Settings

KEYS_HELP = "A file of API keys, as new-key writes them; without one everybody who can connect may call."
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # compared with, not listened on


def serve(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8080,
    triton: TritonOption = None,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file, or this folder of them.")] = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Follow this Kafka's policies and authors, and let keys change and report them."
        ),
    ] = None,
    keys: Annotated[Path | None, typer.Option(help=KEYS_HELP, envvar="SLUICE_API_KEYS")] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="Append what suggestscore is told to this file; default: refuse it.")
    ] = None,
    feedback_kafka: Annotated[
        bool, typer.Option("--feedback-kafka", help="Publish it to SLUICE_TOPIC_FEEDBACK on --kafka or SLUICE_KAFKA.")
    ] = False,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="An origin whose pages may call; may be repeated.")
    ] = None,
    audit: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR|URL", help="An audit log that jobs check and erase from; may be repeated."),
    ] = None,
    puid_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The secret that hides post ids in statements of reasons.")
    ] = None,
    max_in_flight: Annotated[int, typer.Option(min=1, help="Posts scored at once; more are answered 429.")] = 256,
) -> None:
    """Score posts over HTTP: our own endpoint, and those of Perspective, OpenAI and Azure.

    Starts Triton unless --triton names one. /docs lists the endpoints.

    Example: sluice serve & curl -s localhost:8080/v1/posts -H 'Content-Type: application/json' -d '{"text": "Hello"}'
    """
    from sluice.api.config import ApiConfig
    from sluice.cli.stacks import open_triton
    from sluice.connection import find_connection
    from sluice.jobs.requests import Places
    from sluice.settings import load_settings
    from sluice.verdict.policy_set import load_policies

    run_server = _load_server()

    settings = load_settings(os.environ)
    shared = _find_kafka(kafka) if kafka else None
    config = ApiConfig(
        keys_file=keys,
        max_in_flight=max_in_flight,
        cors_origins=tuple(cors_origin or ()),
        kafka=shared,
        places=Places(tuple(audit or ()), puid_key),
    )
    if keys is None and host in EVERYWHERE:
        say("no --keys: everybody who can reach this machine may call")
    load_policies(policy or settings.policy_path)  # what is wrong is said before Triton is waited for
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        address = cleanup.enter_context(open_triton(triton))
        told = find_connection(kafka).kafka if feedback_kafka else None
        run_server(_with(settings, address, policy), config, host, port, say, feedback, told)


def _find_kafka(bootstrap: str) -> KafkaConfig:
    from sluice.connection import find_connection

    return find_connection(bootstrap).recognised().kafka


def _load_server() -> Callable[..., None]:
    try:
        from sluice.api.server import run_server
    except ImportError as error:
        raise SettingsError(
            f"sluice serve needs the extra [http]: pip install 'sluice-moderation[http]' ({error})"
        ) from error
    return run_server


def _with(settings: Settings, triton: str, policy: Path | None) -> Settings:
    return dataclasses.replace(
        settings,
        inference=dataclasses.replace(settings.inference, triton=triton),
        policy_path=policy or settings.policy_path,
    )


def new_key(
    name: Annotated[str, typer.Argument(help="Of whoever gets it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may: score (default), or others of docs/http.md; may be repeated."),
    ] = None,
) -> None:
    """Make an API key: the key on standard error, and on standard output the entry for the file of keys.

    Example: sluice new-key forum >> keys.yaml
    """
    import json

    from sluice.api.keys import SCOPES, hash_key, make_key

    scopes = scope or ["score"]
    if strange := [each for each in scopes if each not in SCOPES]:
        raise typer.BadParameter(f"{strange[0]!r} is none of {', '.join(SCOPES)}", param_hint="--scope")
    key = make_key()
    say(f"key (shown once): {key}")
    emit(f"{json.dumps(name)}: {{sha256: {hash_key(key)}, scopes: [{', '.join(scopes)}]}}".encode())
