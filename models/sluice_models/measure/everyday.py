"""Everyday traffic, as far as the bundle can say what a stranger's ordinary post is: what thresholds are chosen on.

Every group of benign posts weighs the same: texts of a source in a language, pictures or clips of a source, and posts
composed of several harmless texts of a language. Otherwise the largest data sets, most of them gathered by looking for
abuse, would decide what counts as ordinary.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sluice.schema import HARMS, LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.fusion.encoded import OURS, Encoded
from sluice_models.recipes.text.composed import Pools, is_harmless, join, pool_harmless
from sluice_models.recipes.text.drawing import fill_held_out
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages

PER_GROUP, MIN_GROUP = 30, 15
"""Posts of a group; one with fewer posts than the latter is left out, one in between has some of them twice."""
PER_LABEL = 150
"""Harmful posts of a label at most: what a threshold finds is counted on these."""
NOT_EVERYDAY = frozenset({"convabuse", "ethos", "jade_db_v2", "sdcnl", "swsr"})
"""Sources whose harmless rows are not ordinary: answers to abuse, attacks on models, notes of the suicidal."""
EVERYDAY_KINDS = ("everyday", "festivals", "names_places", "praise", "spam_lookalike")
"""Of our own sentences, those that posts are composed of as well; only such as training holds out."""
MIN_POOL = 10
"""Texts of a language that posts are composed of, at least."""
SENTENCES = (2, 12)
"""Of a composed post, at least and at most."""
TOXICITY, N_HARMS = LABELS.index("toxicity"), len(HARMS)
Rows = npt.NDArray[np.int64]


def draw_everyday(examples: Sequence[Example], seed: int = 31) -> dict[str, list[Example]]:
    """Benign texts by group, `PER_GROUP` of each.

    Parameters
    ----------
    examples : sequence of Example
        Texts that nothing was trained on.
    """
    groups: dict[str, list[Example]] = defaultdict(list)
    for row in examples:
        if is_benign(row) and row.source not in NOT_EVERYDAY:
            groups[f"{row.source}, {row.lang}"].append(row)
    rng = random.Random(seed)
    kept = {name: own for name, own in groups.items() if len(own) >= MIN_GROUP}
    drawn = {name: _draw(rng, own) for name, own in kept.items()}
    return drawn | compose_everyday(rng, examples)


def is_benign(row: Example) -> bool:
    """Whether none of the harms was found, and toxicity was judged or nearly all of them were."""
    is_quiet = not (row.targets[:N_HARMS] == 1).any()
    return bool(row.text and is_quiet and (row.targets[TOXICITY] == 0 or is_harmless(row)))


def _draw(rng: random.Random, rows: Sequence[Example]) -> list[Example]:
    drawn = rng.sample(rows, min(PER_GROUP, len(rows)))
    return drawn + rng.sample(drawn, PER_GROUP - len(drawn))


def compose_everyday(rng: random.Random, examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Posts of several harmless texts by language."""
    return {
        f"composed, {language}": [_compose(rng, language, pool) for _ in range(PER_GROUP)]
        for language, pool in pool_everyday(examples).items()
    }


def pool_everyday(examples: Iterable[Example]) -> Pools:
    """Harmless texts by language: the bundle's, and sentences of ours that training holds out; `MIN_POOL` and more."""
    pools = pool_harmless(examples)
    for made in fill_held_out(keep_sentences(load_languages(), held_out=True), n_fills=4, seed=11):
        if made.meta["kind"] in EVERYDAY_KINDS and made.text:
            pools.setdefault(made.lang or "", []).append(made.text)
    return {language: pool for language, pool in sorted(pools.items()) if len(pool) >= MIN_POOL}


def _compose(rng: random.Random, language: str, pool: Sequence[str]) -> Example:
    parts = [rng.choice(pool) for _ in range(rng.randint(*SENTENCES))]
    text, _, _ = join(rng, parts, 0, language)
    return Example("composed", text, None, language, np.zeros(len(LABELS), np.float32), "composed")


def draw_harmful(examples: Iterable[Example], seed: int = 32) -> list[Example]:
    """At most `PER_LABEL` texts of each harm; one with several counts for the rarest."""
    rng, rows = random.Random(seed), [row for row in examples if (row.targets[:N_HARMS] == 1).any()]
    counts = np.sum([row.targets[:N_HARMS] == 1 for row in rows], axis=0) if rows else np.zeros(N_HARMS)
    groups: dict[int, list[Example]] = defaultdict(list)
    for row in rows:
        own = np.flatnonzero(row.targets[:N_HARMS] == 1)
        groups[int(own[counts[own].argmin()])].append(row)
    return [row for own in groups.values() for row in rng.sample(own, min(PER_LABEL, len(own)))]


def choose_media(part: Encoded, seed: int = 33) -> tuple[dict[str, Rows], Rows]:
    """Of encoded pictures or clips `PER_GROUP` benign ones by source; and harmful ones, at most `PER_LABEL` a label.

    What we drew or synthesised is no everyday post.
    """
    rng = np.random.default_rng(seed)
    sources, harmful = np.array(part.sources), (part.targets == 1).any(axis=1)
    groups = {}
    for source in sorted(set(part.sources) - {OURS}):
        own = np.flatnonzero((sources == source) & ~harmful & ~np.isnan(part.targets).all(axis=1))
        if len(own) >= MIN_GROUP:
            groups[source] = rng.choice(own, PER_GROUP, replace=len(own) < PER_GROUP)
    chosen = [
        rng.permutation(np.flatnonzero(part.found & (part.targets[:, label] == 1)))[:PER_LABEL]
        for label in range(len(LABELS))
    ]
    return groups, np.unique(np.concatenate(chosen))
