"""Another policy on the scores of verdicts that there are: what would change. No inference."""
