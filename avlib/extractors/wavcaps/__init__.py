"""WavCaps' ASE: embeddings of audio and text in one space, HTSAT beside BERT."""
