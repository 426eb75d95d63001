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

    @property
    def is_published(self) -> bool:
        """Whether these are the sizes of a published trunk: Swin-T, -S, -B or -L."""
        depths, heads = PUBLISHED.get(self.width, ((), ()))
        sides = self.window[1:]
        is_square = sides == (PUBLISHED_SIDE, PUBLISHED_SIDE)
        return self.depths in depths and self.heads == heads and is_square


# The trunks that their authors publish; all of them see 32 frames of 224 x 224 pixels.
PUBLISHED = {  # width: depths, heads
    96: (((2, 2, 6, 2), (2, 2, 18, 2)), (3, 6, 12, 24)),
    128: (((2, 2, 18, 2),), (4, 8, 16, 32)),
    192: (((2, 2, 18, 2),), (6, 12, 24, 48)),
}
PUBLISHED_SIDE = 7  # of a window, in tokens
SWIN_B = TrunkSizes(width=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), window=(16, 7, 7))
