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


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise ValueError(f"{path} begins with the folder of an unknown user") from error


UserPath = Annotated[Path, AfterValidator(_home)]  # a leading ~ is the user's home folder
StudyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitPaths(Section):
    """One file a split."""

    train: UserPath | None = None
    val: UserPath | None = None
    test: UserPath | None = None


class Training(Section):
    """What may differ from the recipe of a training."""

    epochs: Positive | None = Field(None, description="null: the recipe's")
    batch_size: Positive | None = Field(None, description="null: the recipe's")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="null: the recipe's"
    )
