"""YAMNet: embeddings and scores of AudioSet's classes, of patches of 0.975 s of sound."""
