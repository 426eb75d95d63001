"""What the legs of tags are made by: packaged networks, CLAP and CLIP where they are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avlib.extractors.registry import EXTRACTORS
from avlib.io.text_tokens import TOKENIZER_FILES
from avlib.origins import Weights, configured_weights
from avlib.sections import Section
from avlib.tagging.archive import LegName
from avlib.tagging.recipes import TagTokenizers

PACKAGED: Mapping[LegName, str] = {"sound": "yamnet", "picture": "efficientnet_lite0"}
IN_PLACE: Mapping[LegName, str] = {"sound": "clap", "picture": "clip"}
PUBLISHED = {"clap": "roberta-base", "clip": "openai/clip-vit-large-patch14"}  # with these files


@dataclass(frozen=True)
class TagLeg:
    """The network of a leg.

    Attributes:
        weights: of the network, whose name they have.
        tokenizer: folder of the files that its texts become tokens by; None: it takes no texts.
    """

    weights: Weights
    tokenizer: Path | None = None

    @property
    def network(self) -> str:
        """Its name."""
        return self.weights.network

    @property
    def has_weights(self) -> bool:
        """Whether there are weights that find something, or such that are to be tried."""
        if self.weights.origin == "packaged":
            return self.weights.path is not None and self.weights.path.is_file()
        return self.weights.origin == "given" or self.tokenizer is not None

    def tokenizer_files(self) -> list[Path]:
        """Return the files of the tokenizer, whether they exist or not."""
        return [self.tokenizer / name for name in TOKENIZER_FILES] if self.tokenizer else []

    def as_params(self) -> dict[str, str | None]:
        """Return what a job is told of it; see `avlib.tagging.leg_files`."""
        paths = {"checkpoint": self.weights.path, "tokenizer": self.tokenizer}
        return {"network": self.network} | {k: str(p) if p else None for k, p in paths.items()}


def tag_leg(leg: LegName, checkpoints: Section, tokenizers: TagTokenizers) -> TagLeg:
    """Return the network of a leg.

    CLAP or CLIP has the place of the packaged network where its weights are given; random ones have
    it where a tokenizer is named, too, as nobody has them by accident then.

    Args:
        leg: sound or picture.
        checkpoints: of the study.
        tokenizers: of CLAP and CLIP.
    """
    network = IN_PLACE[leg]
    value, folder = getattr(checkpoints, network, None), getattr(tokenizers, network)
    if isinstance(value, Path):
        beside = value if value.is_dir() else value.parent
        return TagLeg(configured_weights(network, value), folder or beside)
    if value is not None and folder is not None:
        return TagLeg(configured_weights(network, value), folder)
    packaged = PACKAGED[leg]
    given = getattr(checkpoints, packaged)
    return TagLeg(configured_weights(packaged, given, EXTRACTORS[packaged].package))
