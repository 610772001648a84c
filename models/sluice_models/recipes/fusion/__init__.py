"""Posts composed of encoded parts, and pairs of parts whose meaning needs both."""
