"""Sluice's scores in the rules of Osprey."""
