"""The optimisation: gradient steps on a picture, through the levels of a pyramid, coarse to fine."""
