"""Sizes of networks that a test can afford."""

from sluice_models.config import ImageNetwork, ResidualNetwork

IMAGE = ImageNetwork(stem=4, channels=(4, 4, 4, 8, 8, 8, 8), n_planes=12)
OWN = ResidualNetwork(channels=(4, 4, 8, 8))
