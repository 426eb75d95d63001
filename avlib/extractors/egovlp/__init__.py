"""EgoVLP: embeddings of clips and of texts in one space."""
