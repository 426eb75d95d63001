"""Geometry and settings of audio images: log-mel spectrograms of 0.96 s of sound.

Source: the images of zhaojw1998/SoundtrackClassification.
"""

from typing import Literal

from pydantic import Field

from avlib.sections import Section

CLIP_S = 0.96
N_MELS = 64
N_FRAMES = 96  # of an image
SAMPLE_RATE = 44_100  # Hz of all published images

Variant = Literal["librosa_0_8", "librosa_0_9"]
Reference = Literal["clip", "soundtrack", "fixed"]


class Mel(Section):
    """Audio images: log-mel spectrograms of 0.96 s."""

    variant: Variant = Field(
        "librosa_0_8", description="Release of librosa whose numbers are made; 0.8 as published"
    )
    reference: Reference | None = Field(
        None,
        description="What is 0 dB: the loudest value of a clip, as published, that of the whole "
        "soundtrack, or a sine of full scale; null: the recipe's",
    )
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="Of the packs; float16 halves them and rounds by up to 1/32 dB"
    )

    @property
    def zero_db(self) -> Reference:
        """The reference, as published if neither the configuration nor a recipe sets it."""
        return self.reference or "clip"
