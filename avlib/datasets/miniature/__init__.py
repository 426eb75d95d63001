"""Small datasets that the project renders itself, in the official layouts."""
