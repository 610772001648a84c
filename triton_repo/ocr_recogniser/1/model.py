"""Triton's Python backend looks for the model here."""

from sluice.triton_backend.ocr_models import Recogniser as TritonPythonModel  # noqa: F401
