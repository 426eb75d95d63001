"""EfficientNet-Lite0: embeddings and scores of ImageNet's classes, of single frames."""
