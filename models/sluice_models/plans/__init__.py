"""TensorRT plans: building, checking and timing them; without torch, which the image that builds them lacks."""
