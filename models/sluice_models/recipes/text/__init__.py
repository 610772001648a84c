"""Reading texts: rows, noise, templates, the two towers, and their training."""
