"""What decides the metrics of retrieval, beside the embeddings: part of a study's section.

Source: Oncescu et al., "A sound approach", ICASSP 2024.
"""

from typing import Annotated, Literal

from pydantic import Field

from avlib.sections import Section

TextKind = Literal["original", "llm"]
GradedBy = Literal["caption", "verb", "noun", "class"]
# Groups of classes that the relevance of each kind is the mean of.
GRADED_GROUPS: dict[GradedBy, tuple[str, ...]] = {
    "caption": ("verb", "noun"),
    "verb": ("verb",),
    "noun": ("noun",),
    "class": ("class",),
}
NETWORK_TITLES = {
    "clap": "LAION-CLAP",
    "ase_audiocaps": "WavCaps ASE (AudioCaps)",
    "ase_clotho": "WavCaps ASE (Clotho)",
    "egovlp": "EgoVLP",
}
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # as files of embeddings hold it
TEMPERATURE = 500.0  # of the first softmax of the dual softmax, as published


class Fusion(Section):
    """How the similarities of a model of frames and a model of sound become one."""

    ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0, description="Weight of the model of frames; that of the model of sound is 1"
    )
    normalisation: Literal["max", "one"] | None = Field(
        None,
        description="For questions, the five similarities of each network, of a single one, too: "
        "max divides by their Euclidean norm, one by their sum",
    )


class Comparison(Section):
    """How embeddings are compared in every benchmark."""

    crop_seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(
        (0, 1, 2), description="Seeds of the crops of clips over 10 s; metrics are their means"
    )
    fusion: Fusion = Fusion()


class RetrievalEvaluation(Comparison):
    """How embeddings are compared; changing it runs no network again."""

    graded_by: GradedBy = Field(
        "caption",
        description="Graded relevance: shared verb and nouns (caption), one of them, or the class",
    )
    dual_softmax: bool = Field(
        False, description="Re-weight similarities by a softmax over clips and one over texts"
    )
