"""What runs inside Triton's Python backend on a CPU: ONNX models in eight bits. Imports nothing else of Sluice."""
