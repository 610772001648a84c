"""What the text encoder loses in the form that is served on a CPU: eight bits."""

from __future__ import annotations

from collections.abc import Iterator

from sluice_models.config import TRITON_REPO
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.precision import PrecisionRow
from sluice_models.measure.quantisation_check import check_quantisation
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals, passed

MAX_PRECISION_LOSS = 0.005
"""Of AUPRC."""


class ReducedForms(Report[PrecisionRow]):
    """Every label of texts in eight bits, beside single precision."""

    name, title = "precision", "eight bits"

    def measure(self, context: EvaluationContext) -> Iterator[PrecisionRow]:
        """Rows by label."""
        yield from check_quantisation(TRITON_REPO / "text_encoder" / "1" / "model.onnx", context.examples)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[PrecisionRow]]:
        """One."""
        columns: Columns[PrecisionRow] = {
            "form": lambda row: row.form,
            "modality": lambda row: row.modality,
            "label": lambda row: row.label,
            "1": lambda row: row.n_positives,
            "AUPRC, single precision": lambda row: row.single,
            "AUPRC, in this form": lambda row: row.reduced,
            "loss": lambda row: row.loss,
            "largest change of a score": lambda row: decimals(row.largest),
            "ECE, in this form": lambda row: row.calibration,
            f"loss at most {MAX_PRECISION_LOSS}": lambda row: passed(row.loss.value <= MAX_PRECISION_LOSS),
        }
        yield Table("precision", columns, evaluation.of(ReducedForms))
