"""The networks, and nothing about how they are trained: text, image, audio and fusion.

Every operation is a plain one, so that ONNX Runtime and TensorRT both run the export. A row's outputs depend neither on
the other rows of its batch nor on padding.
"""
