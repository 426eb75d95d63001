"""Networks that make features, a folder each, and what they share."""
