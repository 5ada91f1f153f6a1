"""Solvers over a picture: state in, state out, for any objective that gives a gradient."""
