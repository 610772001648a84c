"""Builds `engine/sluice/features/languages.npz` from py3langid's wheel: the n-grams that tell languages apart.

py3langid asks for NumPy 2, which nvidia-pytriton does not work with, and knows 139 languages, of which rare ones catch
slang. So its model is reduced once, offline: to the languages below, to the n-grams of letters that carry most
information, and to eight bits. py3langid 0.4.0 is under BSD-3-Clause; its notice lies beside the file.

``pip download --no-deps py3langid==0.4.0 && python -m sluice_models.data.language_ngrams py3langid-0.4.0-*.whl``
"""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import zipfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from sluice.errors import SettingsError
from sluice.resources import language_file
from sluice_models.console import report_errors

MODEL_SHA256 = "f4f4a2c3465ca1f081541037f9cac23021d68151c2f709c55ae5eedfca522963"
_MODEL = "py3langid/data/model.npz.xz"
_LICENCE = "py3langid-0.4.0.dist-info/licenses/LICENSE"

LANGUAGES = {
    "Latn": "af az bs ca cs cy da de en eo es et eu fi fr ga gl ha hr ht hu id ig is it jv lb lt lv mg ms mt nl nn no "
    "pl pt ro rw sk sl so sq sr sv sw tk tl tr uz uzs vi xh yo zu zxx",
    "Cyrl": "ba be bg kk ky mk mn ru sr tg tt uk",
    "Arab": "ar ary arz fa ku ps sdh ug ur",
    "Deva": "hi mr ne",
    "Beng": "as bn",
}
"""By script; ``zxx`` is no language."""
SAME = {"nn": "no", "bs": "sr", "hr": "sr", "ary": "ar", "arz": "ar", "uzs": "uz", "sdh": "ku"}
"""Varieties that short texts do not tell apart, and the code that stands for them."""
_RARE = "af as az ba be ca cy eo eu ga gl ha ht ig is jv ku ky lb mg mk mn ms mt ne ps rw so tg tk tt ug uz xh yo zu"
RARE = frozenset(_RARE.split())
RARE_LOG_ODDS = -3.0
"""Prior of a language that is little written on public platforms: slang must not become one of them."""
N_NGRAMS = 56_000
"""With their beginnings fewer than 65,536: a state of the automaton has two bytes."""
MOST_LOG_ODDS = 4.0
"""What one n-gram may weigh: a foreign word must not outvote the sentence it stands in."""
STEP = 0.25
"""Of the stored log-odds."""
_FOREIGN = re.compile(rb"[\x00-\x1f!-&(-@\[-`{-\x7f]")
"""Bytes of digits and punctuation, which `sluice.features.scripts` passes over."""


@dataclass(frozen=True)
class NaiveBayes:
    """py3langid's model.

    Attributes
    ----------
    ngrams : list of bytes
    log_probabilities : ndarray of float64, shape = (n_ngrams, n_classes)
        Of an n-gram, given the class.
    classes : list of str
        Language codes; one may stand for two classes.
    """

    ngrams: list[bytes]
    log_probabilities: npt.NDArray[np.float64]
    classes: list[str]


def read_wheel(wheel: Path) -> tuple[NaiveBayes, str]:
    """The model in py3langid's wheel, and its licence.

    Raises
    ------
    SettingsError
        If the file is not the wheel of version 0.4.0.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            packed, licence = archive.read(_MODEL), archive.read(_LICENCE).decode()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SettingsError(f"{wheel} is not the wheel of py3langid 0.4.0: {error}") from error
    if hashlib.sha256(packed).hexdigest() != MODEL_SHA256:
        raise SettingsError(f"{wheel}: {_MODEL} is not that of py3langid 0.4.0")
    with np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False) as stored:
        rows = stored["nextmove"].reshape(-1, 256)[stored["nextmove_row"]]
        ngrams = spell_ngrams(rows, stored["out_feat"])
        return NaiveBayes(ngrams, stored["ptc"].astype(np.float64), stored["classes"].tolist()), licence


def spell_ngrams(rows: npt.NDArray[Any], found: npt.NDArray[Any]) -> list[bytes]:
    """The n-grams of an automaton: the shortest way to each state that finds one.

    Parameters
    ----------
    rows : ndarray of int, shape = (n_states, 256)
        Where each byte leads; 0 is the start.
    found : ndarray of int, shape = (n_states,)
        The n-gram that a state finds, or -1.
    """
    ways, waiting = {0: b""}, deque([0])
    spelled: dict[int, bytes] = {}
    while waiting:
        state = waiting.popleft()
        if found[state] >= 0:
            spelled.setdefault(int(found[state]), ways[state])
        for byte in np.nonzero(rows[state])[0]:
            following = int(rows[state, byte])
            if following not in ways:
                ways[following] = ways[state] + bytes([byte])
                waiting.append(following)
    return [spelled[ngram] for ngram in range(len(spelled))]


def rank_ngrams(model: NaiveBayes) -> npt.NDArray[np.intp]:
    """Places of the n-grams, the most telling first, shape = (kept,); none with digits or punctuation.

    What counts is the information about the language (nats) that the n-gram gives in the script where it gives most.
    """
    telling = np.zeros(len(model.ngrams))
    for languages in LANGUAGES.values():
        logs = model.log_probabilities[:, _columns(model, languages)]
        probabilities = np.exp(logs)
        mean = probabilities.mean(axis=1, keepdims=True)
        telling = np.maximum(telling, (probabilities * (logs - np.log(mean))).mean(axis=1))
    usable = np.array([not _FOREIGN.search(ngram) for ngram in model.ngrams])
    order = np.argsort(-np.where(usable, telling, -1.0), kind="stable")
    return order[: min(N_NGRAMS, int(usable.sum()))]


def _columns(model: NaiveBayes, languages: str) -> list[int]:
    chosen = languages.split()
    return [column for column, code in enumerate(model.classes) if code in chosen]


def reduce_model(model: NaiveBayes) -> dict[str, npt.NDArray[Any]]:
    """The arrays that `sluice.features.ngrams.NgramModel` reads: weights have shape = (kept, columns)."""
    kept = sorted(rank_ngrams(model), key=lambda place: model.ngrams[place])
    weights, codes, scripts = [], [], []
    for script, languages in LANGUAGES.items():
        columns = _columns(model, languages)
        logs = model.log_probabilities[kept][:, columns]
        weights.append(np.clip(logs - logs.mean(axis=1, keepdims=True), -MOST_LOG_ODDS, MOST_LOG_ODDS))
        codes += [SAME.get(model.classes[column], model.classes[column]) for column in columns]
        scripts += [script] * len(columns)
    return {
        "ngrams": np.array([model.ngrams[place] for place in kept], "S"),
        "weights": np.round(np.concatenate(weights, axis=1) / STEP).astype(np.int8),
        "step": np.float32(STEP),
        "columns": np.array(codes),
        "scripts": np.array(scripts),
        "prior": np.array([RARE_LOG_ODDS if code in RARE else 0.0 for code in codes], np.float32),
    }


def main(wheel: Annotated[Path, typer.Argument(help="The wheel of py3langid 0.4.0.")]) -> None:
    """Write languages.npz and the notice that it is distributed under."""
    with report_errors():
        model, licence = read_wheel(wheel)
    arrays = reduce_model(model)
    np.savez_compressed(language_file(), **arrays)
    language_file().with_suffix(".LICENSE").write_text(licence, "utf-8")
    typer.echo(f"{len(arrays['ngrams'])} n-grams, {len(set(arrays['columns'].tolist()))} languages")


if __name__ == "__main__":
    typer.run(main)
