"""Training of the feed-forward network: pack pictures into an archive, then train on it for a given time."""
