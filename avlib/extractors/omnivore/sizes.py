"""Sizes of Omnivore's trunk."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrunkSizes:
    """Sizes of a trunk.

    Attributes:
        width: channels of the first stage; they double from stage to stage.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: tokens that attend to each other, along time, height and width.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: tuple[int, int, int]

    @property
    def channels(self) -> int:
        """Channels of a feature: 1024 of the published trunk."""
        return int(self.width * 2 ** (len(self.depths) - 1))


SWIN_B = TrunkSizes(width=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), window=(16, 7, 7))
