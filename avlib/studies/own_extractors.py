"""The networks that make features of one's own videos: their names and weights."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avlib.extractors.registry import EXTRACTORS
from avlib.sections import UserPath
from avlib.studies.tim_study import TimCheckpoints

# Hz of packs of their own, of networks that the rate of the preset would take something from.
PACK_RATES = {"clap": 48_000, "vggish": 44_100}
OTHER_NAMES = {"resnet152": "res152"}  # of extractors


def _of_own_videos(name: str) -> str:
    name = OTHER_NAMES.get(name, name)
    known = [row.name for row in EXTRACTORS.values() if row.makes_intervals]
    if name not in known:
        raise ValueError(f"no extractor of intervals has this name; there are {', '.join(known)}")
    return name


OwnExtractor = Annotated[str, AfterValidator(_of_own_videos)]


class CustomCheckpoints(TimCheckpoints):
    """Weights from outside, of all networks that make features of intervals."""

    vgg19: UserPath | Literal["untrained"] | None = Field(
        None, description="VGG-19 weights (Keras .h5 or .pth)"
    )
    vggish: UserPath | Literal["untrained"] | None = Field(
        None, description="VGGish weights (.pth)"
    )
    res152: UserPath | Literal["untrained"] | None = Field(
        None, description="ResNet-152 weights (.pth) with torchvision's names"
    )
    r2plus1d_18: UserPath | Literal["untrained"] | None = Field(
        None, description="R(2+1)D-18 weights (.pth) with torchvision's names"
    )
    clip: UserPath | Literal["untrained"] | None = Field(
        None, description="CLIP weights: a Hugging Face folder, or a file of OpenAI"
    )
    clap: UserPath | Literal["untrained"] | None = Field(
        None, description="CLAP weights: 630k-fusion-best.pt, or a Hugging Face folder"
    )
