"""Spectrograms, windows and extraction loops."""
