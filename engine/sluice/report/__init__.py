"""Verdicts as one HTML file for people who would rather look."""
