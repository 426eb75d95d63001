"""LAION-CLAP: embeddings of sound and of text in one space."""
