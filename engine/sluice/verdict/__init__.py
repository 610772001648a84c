"""From scores to a decision: the policy, the risks its thresholds promise, and what a verdict says of its parts."""
