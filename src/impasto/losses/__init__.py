"""Losses: they map feature maps to one number per picture, and do not depend on the source of the features."""
