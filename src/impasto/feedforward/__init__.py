"""Arbitrary style transfer in one forward pass: a small network, and its training."""
