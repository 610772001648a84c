"""Training: the loop, its losses and checkpoints, and one module for each part that is trained."""
