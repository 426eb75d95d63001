"""Retrieval by text: similarities of sounds, frames and texts, and how well they rank."""
