"""The library in Python: tags, features and search, on files and on waveforms.

    from avlib import extract, search, tag

Waveforms are as librosa and torchaudio have them: float in [-1, 1], (n_samples,) or (channels,
n_samples), beside their sample rate in Hz. Times are in seconds. The stages are those of the
workflow, so that results are the same.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from avlib.errors import ConfigError
from avlib.temporary_study import Features, Source, TemporaryStudy

if TYPE_CHECKING:
    from avlib.tagging.search import Found


def tag(
    source: Source, sample_rate: int | None = None, *, labels: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return what is heard and seen: events found without training.

    Args:
        source: a media file, a folder of such files, several of either, or a waveform.
        sample_rate: of the waveform, in Hz.
        labels: what to look for, in English; None: the classes of AudioSet and ImageNet.

    Returns:
        a row an event, by video and time: video_id, start_s, stop_s, label, score.

    Raises:
        ConfigError: if packaged weights are missing, or there are no labels in a list of them.
        DataError: if no file can be used, or no class is near to any label.
    """
    if isinstance(labels, str):
        labels = [labels]
    if labels is not None and not any(map(str.strip, labels)):
        raise ConfigError("no labels; say what to look for, or leave them out")
    with TemporaryDirectory() as folder:
        return TemporaryStudy(Path(folder), source, sample_rate).events(labels)


def extract(
    source: Source,
    extractor: str = "yamnet",
    sample_rate: int | None = None,
    *,
    checkpoint: str | Path | None = None,
    interval_s: float | None = None,
    hop_s: float | None = None,
) -> Features:
    """Return the features of a media file or waveform, one of each interval.

    Args:
        source: a media file, or a waveform.
        extractor: name of a network of intervals: yamnet, efficientnet_lite0, asf, omnivore, ...
        sample_rate: of the waveform, in Hz.
        checkpoint: its weights, or `untrained`; None: those of `make weights`.
        interval_s: length of an interval in seconds; None: what a study of this network has.
        hop_s: distance between two of them in seconds; None: as `interval_s`.

    Raises:
        ConfigError: if the extractor is not known, the rule of intervals is wrong, or weights are
            missing.
        DataError: if the file cannot be used, or there are several.
    """
    with TemporaryDirectory() as folder:
        study = TemporaryStudy(Path(folder), source, sample_rate)
        return study.features(extractor, checkpoint, interval_s, hop_s)


def search(
    words: str | None = None,
    folder: str | Path = "results/custom",
    *,
    like: tuple[str, float] | None = None,
    top: int = 10,
) -> pd.DataFrame:
    """Return what words describe in a study, or the seconds that are like a moment.

    Args:
        words: what is heard or seen, in English.
        folder: results of a study with scored seconds, or with embeddings that texts are compared
            with, whose weights `config.yaml` in the working directory names.
        like: id of a video and time in seconds, in place of words.
        top: how many are found, at least 1.

    Returns:
        a row a second, clip or interval, the best first: video_id, start_s, stop_s, score, and the
        parts of the score, such as sound and picture. `attrs` has the unit of scores, by part its
        weight, the reliability of the words and the nearest classes, and a remark where there is
        a doubt.

    Raises:
        ConfigError: if neither words nor a moment are given, or both, or `top` is below 1, or the
            configuration does not fit the folder.
        DataError: if the study has nothing to search, or not that moment.
    """
    from avlib.study_search import search_study
    from avlib.tagging.moments import Moment

    moment = None if like is None else Moment(*like)
    return _table(search_study(Path(folder), words, moment, top=top))


def _table(found: "Found") -> pd.DataFrame:
    """Return the result of a search as `search` does."""
    rows = [{**hit._asdict(), **hit.parts} for hit in found.hits]
    columns = ["video_id", "start_s", "stop_s", "score", *found.legs]
    table = pd.DataFrame(rows, columns=columns)
    legs = {leg: vars(meaning) for leg, meaning in found.legs.items()}
    table.attrs |= {"unit": found.unit, "searched": found.searched, "legs": legs}
    table.attrs["remark"] = found.remark
    return table
