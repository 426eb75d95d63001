"""CLAP's embeddings of the sounds of clips, and of texts."""

from avlib.extractors.clap.extraction import check_weights

__all__ = ["check_weights"]
