"""The optimisation: from a start, through levels coarse to fine, one gradient step after another."""
