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

    def missing_file(self) -> Path | None:
        """Return the first file of the tokenizer that does not exist."""
        return next((path for path in self.tokenizer_files() if not path.is_file()), None)

    def as_params(self) -> dict[str, str | None]:
        """Return its name and paths as params of a job; see `avlib.tagging.leg_files`."""
        paths = {"checkpoint": self.weights.path, "tokenizer": self.tokenizer}
        return {"network": self.network} | {k: str(p) if p else None for k, p in paths.items()}


@dataclass(frozen=True)
class TagLegs:
    """The networks of the legs of a study.

    Attributes:
        checkpoints: of the study.
        tokenizers: of CLAP and CLIP.
    """

    checkpoints: Section
    tokenizers: TagTokenizers

    def of(self, leg: LegName) -> TagLeg:
        """Return the network of a leg.

        CLAP or CLIP has the place of the packaged network where its weights are given and its
        tokenizer is named or lies beside them. Without one, its weights are for features alone.
        """
        given, packaged = self.with_texts(leg), PACKAGED[leg]
        if given is not None and not self._makes_features_alone(given):
            return given
        value = getattr(self.checkpoints, packaged)
        return TagLeg(configured_weights(packaged, value, EXTRACTORS[packaged].package))

    def with_texts(self, leg: LegName) -> TagLeg | None:
        """Return CLAP or CLIP where it is configured, also where files of its tokenizer lack.

        Random weights count where the tokenizer is named, as nobody has them by accident then.
        """
        network = IN_PLACE[leg]
        value = getattr(self.checkpoints, network, None)
        folder = getattr(self.tokenizers, network)
        if isinstance(value, Path):
            folder = folder or (value if value.is_dir() else value.parent)
        if value is None or folder is None:
            return None
        return TagLeg(configured_weights(network, value), folder)

    def remark(self, leg: LegName, section: str) -> str:
        """Return a line on given weights that are for features alone; without any, nothing.

        Args:
            leg: sound or picture.
            section: of the study in the configuration.
        """
        given = self.with_texts(leg)
        if given is None or not self._makes_features_alone(given):
            return ""
        return (
            f"{given.network} makes no tags, as {given.missing_file()} is not there; for tags by "
            f"it, name the folder of {' and '.join(TOKENIZER_FILES)} as "
            f"{section}.tags.tokenizers.{given.network}"
        )

    def _makes_features_alone(self, given: TagLeg) -> bool:
        is_named = getattr(self.tokenizers, given.network) is not None
        weights = given.weights.path
        is_there = weights is not None and weights.exists()
        return is_there and not is_named and given.missing_file() is not None
