"""Public test sets: read as their authors publish them, and figured as they are usually figured. Scores nothing."""
