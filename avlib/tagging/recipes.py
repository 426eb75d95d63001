"""How seconds become events, as the configuration names it; no part of it is trained."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from avlib.sections import Section, UserPath

Probability = Annotated[float, Field(gt=0, le=1)]


class TagTokenizers(Section):
    """Folders of the files that texts become tokens by, for networks that take texts.

    null: the folder of the network's checkpoint.
    """

    clap: UserPath | None = Field(
        None, description="Of the vocab.json and merges.txt of roberta-base; null: the checkpoint's"
    )
    clip: UserPath | None = Field(
        None, description="Of CLIP's vocab.json and merges.txt; null: the checkpoint's"
    )


class Tagging(Section):
    """Events in videos without annotations."""

    labels: UserPath | None = Field(
        None,
        description="Text file of what is looked for, in English, a label a line; null: the "
        "classes of AudioSet and ImageNet themselves",
    )
    tokenizers: TagTokenizers = TagTokenizers()
    onset: float = Field(
        2.25,
        description="An event of a label reaches this score, in deviations from the mean of all "
        "seconds",
    )
    offset: float = Field(2.25, description="Its other seconds have this score, at most onset")
    probability_onset: Probability = Field(
        0.3,
        description="The same for classes, and for labels in archives under 100 s or that every "
        "second holds: a probability",
    )
    probability_offset: Probability = Field(0.3, description="At most probability_onset")
    gap: int = Field(2, ge=0, description="Events at most so many seconds apart are one")
    minimum: int = Field(2, ge=1, description="Seconds of the shortest event")

    @model_validator(mode="after")
    def _events_end_below_where_they_begin(self) -> Self:
        for prefix in ("", "probability_"):
            onset, offset = (getattr(self, f"{prefix}{end}") for end in ("onset", "offset"))
            if offset > onset:
                raise ValueError(
                    f"{prefix}offset may be at most {prefix}onset ({onset:g}), found {offset:g}"
                )
        return self
