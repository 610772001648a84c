"""Policies of several tenants: what they inherit, which of them decides a post, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import PolicyError
from sluice.schema import Post
from sluice.verdict.cases import run_cases
from sluice.verdict.documents import read_document, read_shipped
from sluice.verdict.policy import Limits, Thresholds
from sluice.verdict.policy_set import PolicySet, SetBuilder, load_policies

BASE = "name: default\nversion: 4\nlabels:\n  threat: {review: 0.4, block: 0.8}\n  spam: {review: 0.5}\n"


def build(*texts: str) -> PolicySet:
    return SetBuilder().build([read_document(text, f"{n}.yaml") for n, text in enumerate(texts)])


def named(policies: PolicySet, name: str) -> dict[str, Thresholds]:
    return next(judge.policy.labels for judge in policies.judges if judge.policy.name == name)


def chosen(policies: PolicySet, language: str = "", **fields: str) -> str:
    return policies.choose(Post(id="p", text="t", **fields), language).policy.name  # type: ignore[arg-type]


def test_a_tenant_inherits_what_it_does_not_say() -> None:
    labels = "labels:\n  threat: {review: 0.3}\n  spam: off\n  hate: {block: 0.9}\n"
    policies = build(BASE, f"tenant: a\nversion: 1\nextends: default\n{labels}")
    assert named(policies, "a") == {"threat": Thresholds(0.3, 0.8), "hate": Thresholds(block=0.9)}
    assert named(policies, "default")["spam"] == Thresholds(0.5)


def test_a_weight_moves_the_thresholds_so_that_scores_count_for_more_or_less() -> None:
    text = (
        "tenant: a\nversion: 1\nextends: default\nlabels:\n  threat: {weight: 2}\n  spam: {weight: 0.25, as: adverts}\n"
    )
    assert named(build(BASE, text), "a") == {"threat": Thresholds(0.2, 0.4), "spam": Thresholds(alias="adverts")}
    shipped = "tenant: a\nversion: 1\nextends: default\nlabels: {weapons: {weight: 2, image: {review: 0.9}}}"
    assert named(build(shipped), "a")["weapons"].image == Limits(0.45)


def test_of_the_policies_for_a_post_the_closest_decides() -> None:
    head = "version: 1\nextends: default\n"
    policies = build(
        BASE,
        f"tenant: a\n{head}",
        f"tenant: a\nname: a-chat\n{head}applies: {{surface: chat}}\n",
        f"tenant: a\nname: a-new\n{head}applies: {{author_standing: [new, unknown]}}\n",
        f"name: german\n{head}applies: {{language: de}}\n",
        f"name: strict\n{head}applies: never\n",
    )
    assert chosen(policies) == "default"
    assert chosen(policies, tenant="b") == "default"
    assert chosen(policies, "de", tenant="b") == "german"
    assert chosen(policies, "de", tenant="a") == "a"
    assert chosen(policies, tenant="a", surface="chat", author_standing="new") == "a-chat"
    assert chosen(policies, tenant="a", surface="wall", author_standing="new") == "a-new"
    assert policies.reads == ("author_standing", "surface", "tenant")


CANARY = "name: canary\nversion: 2\nextends: default\napplies: {authors: 5%}\n"


def test_a_share_of_the_authors_gets_a_policy_always_the_same_ones() -> None:
    policies = build(BASE, CANARY)
    authors = [f"u{n}" for n in range(4_000)]
    picked = {one for one in authors if chosen(policies, author_id=one) == "canary"}
    assert 150 < len(picked) < 250
    assert picked == {one for one in authors if chosen(policies, author_id=one) == "canary"}
    more = build(BASE, CANARY.replace("5%", "12.5%"))
    assert picked < {one for one in authors if chosen(more, author_id=one) == "canary"}
    assert chosen(build(BASE, CANARY.replace("5%", "100%"))) == "default", "without an author"


def test_repeats_are_told_apart_by_the_share_and_not_by_each_author() -> None:
    policies = build(BASE, CANARY)
    keys = {policies.key(Post(id=str(n), text="t", author_id=f"u{n}")) for n in range(200)}
    assert len(keys) == 2


def test_a_market_comes_behind_a_surface_and_before_a_standing() -> None:
    head = "version: 1\nextends: default\n"
    market = f"name: at\n{head}applies: {{market: [at, de]}}\n"
    standing = f"name: new\n{head}applies: {{author_standing: new}}\n"
    policies = build(BASE, market, standing, f"name: chat\n{head}applies: {{surface: chat}}\n")
    assert chosen(policies, market="de", author_standing="new") == "at"
    assert chosen(policies, market="fr", author_standing="new") == "new"
    assert chosen(policies, market="de", surface="chat") == "chat"


def test_a_share_of_a_surface_comes_before_the_rest_of_it() -> None:
    chat = "name: chat\nversion: 1\nextends: default\napplies: {surface: chat}\n"
    new_chat = "name: new-chat\nversion: 1\nextends: default\napplies: {surface: chat, authors: 100%}\n"
    policies = build(BASE, CANARY, chat, new_chat)
    assert chosen(policies, surface="chat", author_id="u") == "new-chat"
    assert chosen(policies, surface="chat") == "chat"


def test_the_hash_is_of_what_is_said_and_inherited_not_of_how_it_is_written() -> None:
    own = "tenant: a\nversion: 1\nextends: default\n"
    first, comment = build(BASE, own), build(BASE, "# why\n" + own)
    other_base = build(BASE.replace("0.4", "0.3"), own)
    hashes = [chosen.choose(Post(id="p", tenant="a"), "").ref.sha256 for chosen in (first, comment, other_base)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64


def test_posts_that_no_policy_can_tell_apart_share_a_key() -> None:
    rule = "rules:\n- {name: r, when: author_id == 'u', decision: review}\n"
    plain, with_rule = build(BASE), build(BASE + rule)
    one, other = Post(id="1", text="t", author_id="u", tenant="a"), Post(id="2", text="t", author_id="v", tenant="b")
    assert plain.key(one) == plain.key(other)
    assert with_rule.key(one) != with_rule.key(other)
    assert plain.key(one) != with_rule.key(one)
    assert with_rule.reads == ("author_id",)


@pytest.mark.parametrize(
    ("texts", "place", "mistake"),
    [
        ([BASE, BASE], "1.yaml:1", "0.yaml is a policy 'default' too"),
        ([BASE, "tenant: a\nversion: 1\nextends: base\n"], "1.yaml:3", "no policy 'base'; known: a, default"),
        (
            [BASE, "tenant: a\nversion: 1\nextends: b\n", "tenant: b\nversion: 1\nextends: a\n"],
            "2.yaml:3",
            "in a circle",
        ),
        ([BASE, "name: b\nversion: 1\nlabels: {}\n"], "1.yaml:1", "the same posts as 'default' (0.yaml)"),
        (
            [BASE, *(f"name: {n}\ntenant: t\nversion: 1\nlabels: {{}}\napplies: {{surface: [a, {n}]}}" for n in "bc")],
            "2.yaml:5",
            "the same posts as 'b'",
        ),
        ([BASE, CANARY, CANARY.replace("canary", "b").replace("5%", "20%")], "2.yaml:4", "the same posts as 'canary'"),
        ([BASE, CANARY.replace("5%", "5")], "1.yaml:4", "authors"),
        ([BASE, CANARY.replace("5%", "101%")], "1.yaml:4", "authors"),
        ([BASE, CANARY.replace("5%", '"5%\\n"')], "1.yaml:4", "authors"),
        ([BASE, CANARY.replace("version: 2", f"version: {2**63}")], "1.yaml:2", "version"),
        (["name: default\nversion: 1\nlabels: {}\napplies: never"], "0.yaml:1", "no policy is for all other posts"),
        (["name: a\nversion: 1\nlabels: {}\napplies: sometimes"], "0.yaml:4", "applies is `never`, or"),
        (["name: a\nversion: 1\nlabels: {}\napplies: {nation: de}"], "0.yaml:4", "nation"),
        (["name: a\nversion: 1\nlabels:\n  spam: {weight: 0}"], "0.yaml:4", "> 0"),
        (["name: a\nversion: 1"], "0.yaml:1", "without `extends`"),
        (["a: &a [x, x]\nb: &b [*a, *a]\n" + "c: [" + "*b, " * 50_000 + "]"], "0.yaml:1", "more than 100000"),
        (["name: " + "[" * 2**19], "0.yaml:1", "nested too deeply"),
        (["name: a\nversion: 1\n\tlabels: {}"], "0.yaml:3", "found a tab character"),
        (["name: a\nversion: 1\nlabels: {hate: !!python/name:os.system x}"], "0.yaml:3", "could not determine"),
        (["name: a\n---\nname: b"], "0.yaml:2", "another document"),
        (["name: a\n\nb: \0"], "0.yaml:3", "#x0000"),
        ([f"name: {'a' * 257}\nversion: 1\nlabels: {{}}"], "0.yaml:1", "<= 256"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_line(texts: list[str], place: str, mistake: str) -> None:
    with pytest.raises(PolicyError) as caught:
        build(*texts)
    assert str(caught.value).startswith(f"{place}: ")
    assert mistake in str(caught.value)


def test_a_line_of_policies_has_an_end() -> None:
    texts = [f"name: p{n}\nversion: 1\nextends: p{n + 1}\napplies: never\n" for n in range(9)]
    with pytest.raises(PolicyError, match=r"^\d\.yaml:3: .* more than 8$"):
        build(*texts, "name: p9\nversion: 1\nlabels: {}\n")


def test_a_folder_gives_a_set_and_the_shipped_policy_decides_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tenant: a\nversion: 2\nextends: default\n")
    (tmp_path / "notes.txt").write_text("no policy")
    policies = load_policies(tmp_path)
    assert [(judge.ref.name, judge.ref.version) for judge in policies.judges] == [
        ("a", 2),
        ("default", read_shipped().version),
    ]
    (tmp_path / "b.yaml").write_text("tenant: a\nversion: 3\nextends: default\n")
    with pytest.raises(PolicyError, match=rf"^{tmp_path}/b.yaml:1: {tmp_path}/a.yaml is a policy 'a' too"):
        load_policies(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no policy in it"):
        load_policies(tmp_path)


CASES = (
    BASE
    + """\
rules:
- {name: new-links, when: author_standing == 'new' && scores.spam > 0.2, decision: review, queue: spam, tags: [new],
   webhook: crew, rate_limit: 0/d}
cases:
- name: spam of a new author
  post: {author_standing: new}
  scores: {spam: 0.3}
  expect: {decision: review, rules: [new-links], labels: [], queue: spam, tags: [new], urgency: none, policy: default,
           webhooks: [crew], rate_limits: [0/d]}
- name: a threat
  scores: {threat: 0.9}
  expect: {decision: block, labels: [threat], queue: null}
"""
)


def test_cases_are_run() -> None:
    document = read_document(CASES)
    assert run_cases(document, SetBuilder().build([document])) == 2


@pytest.mark.parametrize(
    ("change", "line", "mistake"),
    [
        (("spam: 0.3", "spam: 0.1"), 10, "case 'spam of a new author': decision is 'allow', expected 'review'"),
        (("threat: 0.9", "threta: 0.9"), 15, "unknown label 'threta'"),
        (("queue: null", "queue: q"), 15, "queue is None, expected 'q'"),
        (("decision: block,", "desicion: block,"), 15, "desicion"),
        (("post: {author_standing: new}", "post: {author_standng: new}"), 10, "post: unknown field 'author_standng'"),
        (("post: {author_standing: new}", "language: DE"), 10, "no verdict has the language 'DE'"),
        (("post: {author_standing: new}", "post: {author_standing: 3}"), 10, "post: Expected `str | null`"),
    ],
)
def test_a_case_that_fails_is_named_with_its_line(change: tuple[str, str], line: int, mistake: str) -> None:
    document = read_document(CASES.replace(*change), "mine.yaml")
    with pytest.raises(PolicyError) as caught:
        run_cases(document, SetBuilder().build([document]))
    assert str(caught.value).startswith(f"mine.yaml:{line}: ")
    assert mistake in str(caught.value)
