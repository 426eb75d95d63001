"""The files that a leg is made by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avlib.tagging.archive import LEGS, LegName


@dataclass(frozen=True)
class LegFiles:
    """A network and its files.

    Attributes:
        network: name of its extractor.
        checkpoint: its weights; None: random ones.
        tokenizer: folder of the files that its texts become tokens by; None: it takes no texts.
    """

    network: str
    checkpoint: Path | None
    tokenizer: Path | None = None


def leg_files(given: Mapping[str, Mapping[str, str | None]]) -> dict[LegName, LegFiles]:
    """Return the files of each leg.

    Args:
        given: their attributes by name, by leg; paths as text.
    """
    found: dict[LegName, LegFiles] = {}
    for leg in LEGS:
        paths = (given[leg][name] for name in ("checkpoint", "tokenizer"))
        checkpoint, tokenizer = (None if path is None else Path(path) for path in paths)
        found[leg] = LegFiles(str(given[leg]["network"]), checkpoint, tokenizer)
    return found
