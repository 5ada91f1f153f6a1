"""Grids of settings and pictures: one run for each combination, one contact sheet and one report for all."""
