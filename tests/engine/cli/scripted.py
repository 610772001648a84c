"""What a scripted worker is sent, and what it answers with."""

import json

from sluice.schema import encode
from tests.engine.cli.verdicts import make_reason, make_verdict


def make_lines(n):
    return [(number, json.dumps({"id": f"p-{number}", "text": "hi"}).encode()) for number in range(1, n + 1)]


def answer_with(kafka, n_times=1, lost=()):
    def answer(message):
        if message.key() in lost:
            return []
        verdict = encode(make_verdict(message.key().decode(), "block", reasons=(make_reason("threat", 0.9),)))
        return [(kafka.topics.verdicts, verdict, [])] * n_times

    return answer
