"""Triton's Python backend looks for the model here."""

from sluice.triton_backend.onnx_model import TritonPythonModel  # noqa: F401
