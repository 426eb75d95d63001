"""VGG-Sound (Chen et al., ICASSP 2020): published lists of labelled clips to events."""

import re
from pathlib import Path

import pandas as pd

from avlib.datasets.published import PICKLE_SUFFIXES, check_spans, read_published
from avlib.errors import DataError
from avlib.io.text_tables import read_text

CLIP_LENGTH_S = 10.0  # length of the clips
# First line of the official list, which has no header: id, second, class, split.
_OFFICIAL = re.compile(r'"?[\w-]{11}"?[,;\t] *\d+ *[,;\t][^\r\n]+[,;\t] *"?(train|test)"?\s')


def read_events(path: Path, split: str) -> pd.DataFrame:
    """Return the clips of a list with columns `video` and `class_id` as a table of kind EVENTS.

    Each clip is one event from its start to its end; its class is known by number alone. The video
    id is the file name without its suffix.

    Raises:
        UnsafePickleError, DataError: if the file is not such a list; the message names the row.
    """
    try:
        table = read_published(path, texts=("video",), whole=("class_id",))
    except DataError:
        if path.suffix.lower() not in PICKLE_SUFFIXES and _OFFICIAL.match(read_text(path)):
            raise DataError(
                f"{path}: is VGG-Sound's own list of videos, seconds, classes and splits, which "
                "has no numbers of classes; give the lists of Auditory SlowFast, one for each "
                "split, with the columns video and class_id"
            ) from None
        raise
    video_ids = [Path(name).stem for name in table["video"]]
    class_ids = table["class_id"].astype("int64")
    events = pd.DataFrame(
        {
            "event_id": video_ids,
            "video_id": video_ids,
            "split": split,
            "modality": "audio",
            "start_s": 0.0,
            "stop_s": CLIP_LENGTH_S,
            "label": class_ids.astype(str),
            "class_id": class_ids,
        }
    )
    check_spans(events, path)
    return events
