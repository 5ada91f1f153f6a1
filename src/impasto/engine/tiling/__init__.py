"""A picture's losses and gradient from tiles of it, equal to the whole's to rounding."""
