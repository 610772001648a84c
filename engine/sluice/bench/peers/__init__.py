"""What Sluice is compared with: programs around `PlainModel`, written as their frameworks' documentation tells."""
