"""Sizes of a narrow EgoVLP for tests; texts have the tokens of up to 20 words."""

from avlib.extractors.egovlp.network import EgoVlpSizes

NARROW = EgoVlpSizes(
    frames=4,
    image_size=32,
    patch_size=16,
    width=16,
    depth=2,
    heads=2,
    feedforward=24,
    text_width=12,
    text_depth=1,
    text_heads=2,
    text_feedforward=16,
    vocabulary=20,
    positions=8,
    embedding=10,
)
