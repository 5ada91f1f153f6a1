"""Losses: features in, one number a picture out. Nothing here knows where features come from."""
