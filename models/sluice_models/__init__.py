"""Trains the models that Triton serves, and exports them. Nothing of the engine imports this."""
