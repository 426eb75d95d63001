"""Operations of VALOR, event parsing on LLP; importing this registers them."""

from avlib.verify.valor import (
    audio_teacher,
    features,
    labels,
    networks,
    scores,
    training,
    visual_teacher,
)

__all__ = [
    "audio_teacher",
    "features",
    "labels",
    "networks",
    "scores",
    "training",
    "visual_teacher",
]
