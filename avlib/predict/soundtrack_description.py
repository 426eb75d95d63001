"""What a study of soundtracks leaves for new files: `results/<study>/model/soundtrack.json`.

With `classes.json` and the weights it is all that the prediction of new files needs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avlib.io.atomic import write_json
from avlib.predict.recorded import Recorded, Trained, read_description, record_weights
from avlib.soundtracks.sweep import Space

FILE = Path("model/soundtrack.json")  # below the results of a study


@dataclass(frozen=True, kw_only=True)
class SoundtrackDescription(Recorded):
    """How the networks of a study, `soundtrack/<fold>`, came to the scores of its soundtracks.

    Attributes:
        mel: how audio images are made, as `Mel`.
        pads_short: whether sound that is too short for an image is zero-padded.
        pooling: what is averaged over the clips of a soundtrack.
    """

    mel: Mapping[str, Any]
    pads_short: bool
    pooling: Space


class TrainedSoundtracks(Trained[SoundtrackDescription]):
    """The results of a study of soundtracks."""


def describe_soundtracks(
    *, settings: Mapping[str, Any], models: Mapping[str, Path], target: Path
) -> None:
    """Write the description of a study of soundtracks; the stage of this name.

    Args:
        settings: the attributes of `SoundtrackDescription` that the configuration decides.
        models: weights by fold, `all` where there are none.
        target: JSON file to write.
    """
    recorded = {f"soundtrack/{fold}": record_weights(path) for fold, path in models.items()}
    write_json(target, asdict(SoundtrackDescription(models=recorded, **settings)))


def read_soundtracks(folder: Path) -> TrainedSoundtracks | None:
    """Return the results of a study of soundtracks; None where they are of no such study.

    Raises:
        ConfigError: if they are of another version.
    """
    if not (folder / FILE).is_file():
        return None
    content = read_description(folder / FILE, set(SoundtrackDescription.__dataclass_fields__))
    return TrainedSoundtracks(folder, SoundtrackDescription(**content))
