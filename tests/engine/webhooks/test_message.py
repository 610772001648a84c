"""What a receiver gets, checked with the packages that receivers use."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cloudevents.v1.http import from_http
from standardwebhooks import Webhook as Checker
from standardwebhooks import WebhookVerificationError

from sluice.errors import SettingsError
from sluice.schema import encode
from sluice.webhooks.config import Form
from sluice.webhooks.message import Webhook, make_webhook, read_secrets, sign
from tests.engine.cli.verdicts import make_verdict

OLD, NEW = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
VERDICT = make_verdict("帖-1", "block", author_id="u-9")


def make(form: Form = Form.standard) -> Webhook:
    return make_webhook("msg_0_17_1", VERDICT, encode(VERDICT), form)


def test_the_signature_is_the_one_that_standard_webhooks_checks() -> None:
    webhook = make()
    headers = sign(webhook, read_secrets(OLD), int(time.time()))
    read = Checker(OLD).verify(webhook.body, headers)
    assert (read["type"], read["data"]["post_id"], read["data"]["author_id"]) == (
        "moderation.verdict.block",
        "帖-1",
        "u-9",
    )
    assert read["timestamp"] == VERDICT.scored_at
    with pytest.raises(WebhookVerificationError):
        Checker(NEW).verify(webhook.body, headers)
    with pytest.raises(WebhookVerificationError):
        Checker(OLD).verify(webhook.body.replace(b"block", b"allow"), headers)


def test_each_of_several_secrets_signs() -> None:
    webhook = make()
    headers = sign(webhook, read_secrets(f"{OLD} {NEW}"), int(time.time()))
    for secret in (OLD, NEW):
        assert Checker(secret).verify(webhook.body, headers)


@pytest.mark.parametrize(
    "text", ["", " ", "whsec_", "whsec_!", OLD.removeprefix("whsec_"), "whsec_c2hvcnQ=", f"{OLD} x"]
)
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="SLUICE_WEBHOOK_SECRET") as caught:
        read_secrets(text)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_cloud_event_is_one_that_its_package_reads() -> None:
    webhook = make(Form.cloudevents)
    event = from_http(sign(webhook, read_secrets(OLD), int(time.time())), webhook.body)
    assert (event["id"], event["type"], event["subject"]) == ("msg_0_17_1", "moderation.verdict.block", "帖-1")
    assert (event["source"], event["time"]) == ("/sluice/moderation.verdicts", VERDICT.scored_at)
    assert event.data == json.loads(encode(VERDICT))
