"""What each part is trained on: rows, templates, drawings, synthesised sounds and composed posts."""
