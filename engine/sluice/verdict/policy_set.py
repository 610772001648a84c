"""All policies that are in force together, and which of them decides a post. Pure: documents in, a set out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sluice.errors import PolicyError
from sluice.schema import AuthorHistory, Post
from sluice.verdict.documents import Document, read_document, read_shipped, read_text, resolve
from sluice.verdict.facts import INPUTS
from sluice.verdict.judgement import Judge
from sluice.verdict.policy import Policy, Selectors, is_among
from sluice.verdict.rules import check_rules

MAX_DEPTH = 8
"""How long a line of policies may be in which each extends the next."""

SUFFIXES = (".yaml", ".yml")

LISTS = ("surface", "market", "author_standing", "language")
ORDER = (*LISTS, "authors")
"""Of two policies that a post matches, the one with the first of these selectors decides that the other lacks."""


@dataclass(frozen=True)
class Member:
    """A policy of a set.

    Attributes
    ----------
    document : Document
    judge : Judge
    """

    document: Document
    judge: Judge

    @property
    def policy(self) -> Policy:
        """What the document comes to."""
        return self.judge.policy


class PolicySet:
    """Policies that are in force together. It never changes: another set takes its place.

    Parameters
    ----------
    judges : sequence of Judge
        One of them for every post that no other is for.

    Attributes
    ----------
    default : Judge
        That one.
    refs : tuple of PolicyRef
        Of all of them.
    reads : tuple of str
        The post's fields, beside its parts, on which any of them may decide.
    reads_of_author : tuple of str
        The fields of the author's history on which any of them may.
    """

    def __init__(self, judges: Sequence[Judge]) -> None:
        self.judges = tuple(judges)
        self.refs = tuple(judge.ref for judge in judges)
        self.default = next(judge for judge in judges if is_for_all(judge.policy))
        self._of_tenant: dict[str | None, tuple[Judge, ...]] = _by_tenant(judges)
        self.reads = tuple(sorted({name for judge in judges for name in _fields_of(judge)}))
        self._shares = tuple(sorted({share for judge in judges if (share := _selectors(judge.policy).authors)}))
        self.reads_of_author = tuple(sorted({name for judge in judges for name in _author_fields_of(judge)}))
        self._identity = msgspec.json.encode(sorted(ref.sha256 for ref in self.refs))

    @classmethod
    def of(cls, *policies: Policy) -> PolicySet:
        """A set of policies that inherit nothing."""
        return cls([Judge(policy) for policy in policies])

    @property
    def names(self) -> tuple[str, ...]:
        """Name, version and the start of the hash of each, for people."""
        return tuple(f"{ref.name} {ref.version} ({ref.sha256[:8]})" for ref in self.refs)

    def choose(self, post: Post, language: str) -> Judge:
        """Who decides a post: of the policies that are for it, the one that says most closely for whom it is.

        Parameters
        ----------
        language : str
            As `DetectedLanguage.code` has it; empty for a post without.
        """
        return next(judge for judge in self._known_of(post) if _selectors(judge.policy).match(post, language))

    def _known_of(self, post: Post) -> tuple[Judge, ...]:
        return self._of_tenant.get(post.tenant) or self._of_tenant[None]

    def need_only(self, post: Post, thresholds: Mapping[str, float]) -> bool:
        """Whether whoever may decide a post needs no more of its scores; see `Judge.needs_only`."""
        return all(judge.needs_only(thresholds) for judge in self._known_of(post))

    def key(self, post: Post, author: AuthorHistory | None = None) -> bytes:
        """Equal for two posts that the same words and media would have decided alike, as far as policies go."""
        fields = [getattr(post, name) for name in self.reads]
        fields += [is_among(post, share) for share in self._shares]
        fields += [getattr(author, name, None) for name in self.reads_of_author]
        return self._identity + msgspec.json.encode(fields)


def _by_tenant(judges: Sequence[Judge]) -> dict[str | None, tuple[Judge, ...]]:
    """Whom to ask for each tenant's posts, those first that say most closely for whom they are."""
    of_tenant: dict[str | None, list[Judge]] = {None: []}
    for judge in judges:
        if judge.policy.applies != "never":
            of_tenant.setdefault(judge.policy.tenant, []).append(judge)
    for_all = sorted(of_tenant.pop(None), key=_rank)
    own = {tenant: (*sorted(those, key=_rank), *for_all) for tenant, those in of_tenant.items()}
    return {None: tuple(for_all), **own}


def _rank(judge: Judge) -> tuple[bool, ...]:
    """Sorts those with the more telling selectors first."""
    selectors = _selectors(judge.policy)
    return (judge.policy.tenant is None, *(not getattr(selectors, name) for name in ORDER))


def _selectors(policy: Policy) -> Selectors:
    return policy.applies if isinstance(policy.applies, Selectors) else Selectors()


def _fields_of(judge: Judge) -> Iterator[str]:
    """The post's fields on which a policy may decide, or be chosen."""
    if judge.policy.applies != "never":
        selectors = _selectors(judge.policy)
        yield from ["tenant"] if judge.policy.tenant else []
        yield from (name for name in ("surface", "market", "author_standing") if getattr(selectors, name))
        yield from (field for name in judge.reads if (field := INPUTS[name].post_field))


def _author_fields_of(judge: Judge) -> Iterator[str]:
    """The fields of the author's history on which a policy may decide."""
    return (field for name in judge.reads if (field := INPUTS[name].author_field))


def is_for_all(policy: Policy) -> bool:
    """Whether a policy is for every post that no other is for."""
    return policy.tenant is None and policy.applies == Selectors()


class SetBuilder:
    """Makes sets of documents; what did not change since the last set is not compiled again."""

    def __init__(self) -> None:
        self._shipped = read_shipped()
        self._made: dict[tuple[str, ...], Judge] = {}

    def build(self, documents: Iterable[Document]) -> PolicySet:
        """A set of documents; with the shipped policy if one extends it, or none is for all posts.

        Raises
        ------
        PolicyError
            Naming a document and the line of the mistake: in itself, in what it extends, or beside another one.
        """
        known = _by_name(documents)
        written = set(known)
        known.setdefault(self._shipped.name, self._shipped)
        made: dict[tuple[str, ...], Judge] = {}
        members = [Member(document, self._make(document, known, made)) for document in known.values()]
        wanted = _without_idle(members, self._shipped.name, self._shipped.name in written)
        _refuse_ambiguous(wanted)
        self._made = made
        return PolicySet([member.judge for member in wanted])

    def _make(self, document: Document, known: Mapping[str, Document], made: dict[tuple[str, ...], Judge]) -> Judge:
        line = [document, *_bases(document, known)]
        key = tuple(f"{each.source}\n{each.sha256}" for each in line)
        if key not in made:
            base = self._make(line[1], known, made).policy if len(line) > 1 else None
            made[key] = self._made.get(key) or _judge_of(document, base)
        return made[key]


def _by_name(documents: Iterable[Document]) -> dict[str, Document]:
    known: dict[str, Document] = {}
    for document in documents:
        if document.name in known:
            raise document.root.error(f"{known[document.name].source} is a policy {document.name!r} too")
        known[document.name] = document
    return known


def _bases(document: Document, known: Mapping[str, Document]) -> Iterator[Document]:
    """The document that it extends, the one that this extends, and so on."""
    seen = [document.name]
    while document.extends is not None:
        where = document.root.get("extends") or document.root
        if document.extends not in known:
            raise where.error(f"there is no policy {document.extends!r}; known: {', '.join(sorted(known))}")
        if document.extends in seen:
            raise where.error(f"{' extends '.join([*seen, document.extends])}: in a circle")
        if len(seen) == MAX_DEPTH:
            raise where.error(f"{' extends '.join([*seen, document.extends])}: more than {MAX_DEPTH}")
        document = known[document.extends]
        seen.append(document.name)
        yield document


def _judge_of(document: Document, base: Policy | None) -> Judge:
    policy = resolve(document, base)
    check_rules(document.root.get("rules"))
    return Judge(policy)


def _without_idle(members: Sequence[Member], shipped: str, is_written: bool) -> list[Member]:
    """Without the shipped policy, where another one is for all posts."""
    others = [member for member in members if member.document.name != shipped]
    has_own = any(is_for_all(member.policy) for member in others)
    return list(members) if is_written or not has_own else others


def _refuse_ambiguous(members: Sequence[Member]) -> None:
    applying = [member for member in members if member.policy.applies != "never"]
    if not any(is_for_all(member.policy) for member in applying):
        raise members[0].document.root.error("no policy is for all other posts: one has neither tenant nor applies")
    of_tenant: dict[str | None, list[Member]] = {}
    for member in applying:
        for other in of_tenant.setdefault(member.policy.tenant, []):
            if _overlap(other.policy, member.policy):
                where = member.document.root.get("applies") or member.document.root
                raise where.error(f"it is for the same posts as {other.policy.name!r} ({other.document.source})")
        of_tenant[member.policy.tenant].append(member)


def _overlap(one: Policy, other: Policy) -> bool:
    """Whether a post may match both of one tenant, and neither comes first."""
    mine, theirs = _selectors(one), _selectors(other)
    if (mine.authors is None) != (theirs.authors is None):
        return False
    pairs = [(set(getattr(mine, name)), set(getattr(theirs, name))) for name in LISTS]
    return all(bool(a) == bool(b) and (not a or a & b) for a, b in pairs)


def read_documents(path: Path) -> list[Document]:
    """The policies of a file, or of every YAML file in a folder.

    Raises
    ------
    PolicyError
        Naming the file, and the line of the mistake.
    """
    if not path.is_dir():
        return [read_document(read_text(path), str(path))]
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    if not files:
        raise PolicyError(f"{path}: no policy in it: there is no file that ends in {' or '.join(SUFFIXES)}")
    return [read_document(read_text(file), str(file)) for file in files]


def load_policies(path: Path) -> PolicySet:
    """The set of a file or a folder; raises `PolicyError`."""
    return SetBuilder().build(read_documents(path))
