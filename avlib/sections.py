"""What all sections of the configuration are made of, wherever in the library one stands."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"must be a power of two, for example {1 << value.bit_length()}")
    return value


PowerOfTwo = Annotated[int, Field(gt=0), AfterValidator(_power_of_two)]
StudyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitPaths(Strict):
    """One file a split."""

    train: Path | None = None
    val: Path | None = None
    test: Path | None = None


class Training(Strict):
    """What may differ from the recipe of a training."""

    epochs: Positive | None = Field(None, description="null: the recipe's")
    batch_size: Positive | None = Field(None, description="null: the recipe's")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="null: the recipe's"
    )
