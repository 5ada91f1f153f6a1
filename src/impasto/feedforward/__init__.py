"""Any style in one forward pass: a small network of our own, and how it is trained."""
