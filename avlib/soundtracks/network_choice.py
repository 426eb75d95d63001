"""Which network is trained: its name and sizes, as a recipe has them and as configured."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from avlib.sections import Positive, Section

NetworkName = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "neural_network",
    "logistic",
]
Pool = Literal["first_columns", "full"]


@dataclass(frozen=True)
class NetworkChoice:
    """Name and sizes of a network; the published training has resnet50.

    Attributes:
        network: name.
        pool: of the residual networks, as in `avlib.soundtracks.network.ResNet`.
        width: channels of their stem; 64 in the published ones.
        stem_stride: of the residual networks, as in `ResNet`.
        standardises: of the residual networks, as in `ResNet`.
    """

    network: NetworkName = "resnet50"
    pool: Pool = "first_columns"
    width: int = 64
    stem_stride: int = 1
    standardises: bool = False


class Network(Section):
    """The network that sees the audio images."""

    name: NetworkName | None = Field(None, description="null: the recipe's")
    pool: Pool | None = Field(
        None, description="first_columns: without the end of a clip, as published; null: recipe's"
    )
    width: Positive | None = Field(None, description="Channels of the stem; null: the recipe's")

    def choice(self, default: NetworkChoice) -> NetworkChoice:
        """Return the network, which is `default` in what is not set."""
        given: dict[str, Any] = {"network": self.name, "pool": self.pool, "width": self.width}
        return replace(default, **{name: v for name, v in given.items() if v is not None})
