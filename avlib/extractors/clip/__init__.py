"""CLIP: embeddings of images and of text in one space."""
