"""Measuring the trained models, and the tables of the model card."""
