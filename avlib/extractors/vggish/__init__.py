"""VGGish: embeddings of a second of audio."""
