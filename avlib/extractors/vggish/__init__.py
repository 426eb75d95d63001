"""VGGish: embeddings of a second of sound."""
