"""Features that need no weights: statistics of sound and of pictures."""
