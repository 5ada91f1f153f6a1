"""How the feed-forward network is trained: pack pictures, then train on the archive for as long as there is time."""
