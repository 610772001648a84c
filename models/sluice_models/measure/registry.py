"""Every report of the model card, in the order in which they are measured and printed."""

from __future__ import annotations

from typing import Any

from sluice_models.measure.bias import Bias
from sluice_models.measure.buried import Buried
from sluice_models.measure.counterfactuals import Swaps
from sluice_models.measure.everyday_pictures import EverydayPictures
from sluice_models.measure.everyday_sounds import EverydaySounds
from sluice_models.measure.first_stage import ClearedHalves, ClearedHard, ClearedTexts
from sluice_models.measure.folds import LeftOut, LeftOutRuns
from sluice_models.measure.functional import Functional
from sluice_models.measure.label_figures import LabelFigures
from sluice_models.measure.mixtures import Mixtures
from sluice_models.measure.obfuscation import Robustness
from sluice_models.measure.origins import Origins
from sluice_models.measure.pair_figures import Pairs
from sluice_models.measure.rationales import Evidence
from sluice_models.measure.reduced_forms import ReducedForms
from sluice_models.measure.report import Report
from sluice_models.measure.serving_cost import ServingCost
from sluice_models.measure.summary import Headlines
from sluice_models.measure.twins import Twins
from sluice_models.measure.unseen import FalseAlarms, Unseen

REPORTS: tuple[Report[Any], ...] = (
    Headlines(),
    Origins(),
    LabelFigures(),
    LeftOut(),
    LeftOutRuns(),
    Unseen(),
    FalseAlarms(),
    EverydayPictures(),
    EverydaySounds(),
    Mixtures(),
    Pairs(),
    Evidence(),
    Bias(),
    Swaps(),
    Twins(),
    Robustness(),
    Buried(),
    Functional(),
    ReducedForms(),
    ClearedTexts(),
    ClearedHard(),
    ClearedHalves(),
    ServingCost(),
)
