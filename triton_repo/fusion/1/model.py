"""Triton's Python backend looks for the model here."""

from engine.local.onnx_model import TritonPythonModel  # noqa: F401
