"""LAION-CLAP: embeddings of audio and text in one space."""
