"""One offset per data set and label: learned beside the model, then dropped.

Annotators of one data set call the same sentence toxic more readily than those of another. A model that has to explain
this by the text learns to tell data sets apart, which does not help on texts from elsewhere. So every source gets its
own offset for the labels that are a matter of judgement, and the model learns what the sources agree on. This is the
crowd layer of Rodrigues and Pereira (2018) with one worker per source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.data.bundle import Example

JUDGED = [LABELS.index(label) for label in ("toxicity", "hate", "harassment")]
N_SLOTS = 128
"""Sources that there may be, and one that is none of them: its offset stays 0."""


class SourceOffsets(nn.Module):
    """Offsets of the logits of `JUDGED` labels, by source.

    Parameters
    ----------
    sources : iterable of str
        Those that have an offset; all others (our templates) are at 0.

    Raises
    ------
    SettingsError
        For more sources than there are slots.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        super().__init__()
        self._slots = {source: slot for slot, source in enumerate(sources, start=1)}
        if len(self._slots) >= N_SLOTS:
            raise SettingsError(f"{len(self._slots)} sources of texts, at most {N_SLOTS - 1} are foreseen")
        self.table = nn.Embedding(N_SLOTS, len(JUDGED), padding_idx=0)
        nn.init.zeros_(self.table.weight)

    def forward(self, logits: Tensor, sources: Sequence[str]) -> Tensor:
        """(B, labels) and the rows' sources to (B, labels)."""
        slots = torch.tensor([self._slots.get(source, 0) for source in sources], device=logits.device)
        judged = torch.tensor(JUDGED, device=logits.device)
        return logits.float().index_add(1, judged, self.table(slots))


def find_sources(examples: Iterable[Example]) -> list[str]:
    """Sources of some examples, sorted: the slots of a run that is resumed are the same."""
    return sorted({example.source for example in examples})
