"""How suspicious a first stage finds texts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sluice_models.recipes.text.reading import pad
from sluice_models.recipes.text.taught import Float32, Taught

N_BATCH = 64
StageFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Ids and mask to logits and suspicion."""


def read_suspicion(stage: StageFunction, taught: Taught) -> Float32:
    """Suspicion of each text's first window, shape = (n,); those of like length are read together."""
    suspicion = np.zeros(len(taught), np.float32)
    order = np.argsort([len(row) for row in taught.ids], kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), N_BATCH):
            chunk = order[start : start + N_BATCH]
            ids, mask = pad([taught.ids[place] for place in chunk])
            suspicion[chunk] = stage(torch.from_numpy(ids), torch.from_numpy(mask))[1][:, 0].numpy()
    return suspicion
