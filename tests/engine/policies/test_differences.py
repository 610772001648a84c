"""In what two policies differ."""

from __future__ import annotations

from sluice.policies.differences import Difference, find_differences
from sluice.verdict.documents import parse_policy

HEAD = "name: a\nversion: 1\n"


def test_every_field_that_differs_is_named() -> None:
    rules = "rules:\n- {name: x, when: 'true', tags: [t]}\n- {name: y, when: 'false'}\n"
    before = parse_policy(HEAD + "labels: {threat: {review: 0.3, image: {review: 0.5}}, spam: {review: 0.2}}\n" + rules)
    other_rules = "rules:\n- {name: y, when: 'false'}\n- {name: x, when: 'true', tags: [u]}\n"
    after = parse_policy(
        HEAD.replace("1", "2") + "labels: {threat: {review: 0.4}}\napplies: {surface: chat}\n" + other_rules
    )
    found = {each.field: (each.before, each.after) for each in find_differences(before, after)}
    assert found == {
        "version": (1, 2),
        "labels.threat.review": (0.3, 0.4),
        "labels.threat.image.review": (0.5, None),
        "labels.spam.review": (0.2, None),
        "rules.x.tags": (["t"], ["u"]),
        "applies.surface": (None, ["chat"]),
    }
    assert find_differences(before, before) == []
    assert Difference("version", 1, 2) in find_differences(before, after)
