"""Policies that are laid over those of files: the newest that fits, and the same for whoever comes later."""

from __future__ import annotations

import pytest

from sluice.errors import PolicyError
from sluice.verdict.documents import read_document
from sluice.verdict.overlay import Overlaid, Wanted, Written, lay_over
from sluice.verdict.policy_set import SetBuilder

FILES = [read_document("name: default\nversion: 1\nlabels: {spam: {review: 0.5}}\n", "default.yaml")]


def wanted(name: str, *texts: str) -> Wanted:
    return Wanted(name, tuple(Written(f"topic {name}#{n}", text) for n, text in enumerate(texts)))


def policy(name: str, version: int, more: str = "extends: default\n") -> str:
    return f"name: {name}\ntenant: {name}\nversion: {version}\n{more}"


def overlaid(*each: Wanted) -> Overlaid:
    return lay_over(SetBuilder(), FILES, each)


def versions(found: Overlaid) -> dict[str, int]:
    return {ref.name: ref.version for ref in found.policies.refs}


def test_without_anything_the_files_are_in_force() -> None:
    assert versions(overlaid()) == {"default": 1}


def test_what_is_wanted_takes_the_place_of_a_file_of_its_name() -> None:
    found = overlaid(wanted("a", policy("a", 2)), wanted("default", "name: default\nversion: 7\nlabels: {}\n"))
    assert (versions(found), found.refused) == ({"a": 2, "default": 7}, ())


def test_a_wrong_one_leaves_the_one_before_it_and_is_named_with_its_line() -> None:
    found = overlaid(
        wanted("a", policy("a", 3, "labels:\n  thread: {}\n"), policy("a", 2)), wanted("b", policy("b", 1))
    )
    assert versions(found) == {"default": 1, "a": 2, "b": 1}
    assert [line.split(": unknown")[0] for line in found.refused] == ["topic a#0:5"]


def test_one_that_never_was_right_is_left_out() -> None:
    found = overlaid(wanted("a", "name: [", "- a"), wanted("b", policy("b", 1)))
    assert (versions(found), len(found.refused)) == ({"default": 1, "b": 1}, 2)


def test_a_base_that_breaks_another_policy_is_refused_and_the_other_stays() -> None:
    rules = "rules:\n" + "".join(f"- {{name: r{{}}{n}, when: 'true'}}\n" for n in range(300))
    heavy = policy("a", 1, "extends: default\n" + rules.replace("r{}", "a"))
    broken = "name: default\nversion: 9\nlabels: {}\n" + rules.replace("r{}", "d")
    found = overlaid(wanted("a", heavy), wanted("default", broken, "name: default\nversion: 8\nlabels: {}\n"))
    assert versions(found) == {"a": 1, "default": 8}
    assert "at most 500" in found.refused[0]


def test_one_may_extend_what_comes_later() -> None:
    child = wanted("a", policy("a", 1, "extends: base\n"))
    base = wanted("base", "name: base\nversion: 1\nlabels: {}\napplies: never\n")
    bad = wanted("c", "name: [")
    assert versions(overlaid(child, bad, base)) == {"default": 1, "a": 1, "base": 1}


def test_files_that_are_wrong_by_themselves_are_an_error() -> None:
    with pytest.raises(PolicyError):
        lay_over(SetBuilder(), [*FILES, *FILES], [wanted("a", "name: [")])
