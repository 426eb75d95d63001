"""The files in schemas/, generated from the configuration classes and the table schemas."""

from pathlib import Path
from typing import Any

from avlib.datasets.tables import EVENTS
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.atomic import write_json
from avlib.media.tables import MANIFEST
from avlib.soundtracks.tables import (
    AUDIO_IMAGES,
    CLIPS,
    FUSED_ANSWERS,
    LABELLED_FILES,
    SCORED_VIDEOS,
    SOUNDTRACKS,
)
from avlib.studies import Config
from avlib.tim.tables import PREDICTIONS, QUERIES

ALL_TABLES = (
    MANIFEST,
    EVENTS,
    INTERVALS,
    FEATURES,
    QUERIES,
    PREDICTIONS,
    LABELLED_FILES,
    AUDIO_IMAGES,
    CLIPS,
    SOUNDTRACKS,
    SCORED_VIDEOS,
    FUSED_ANSWERS,
)


def schemas() -> dict[str, Any]:
    """Return the content of every schema file by its name."""
    tables = {f"{table.name}.schema.json": table.as_json() for table in ALL_TABLES}
    return {"config.schema.json": Config.model_json_schema(), **tables}


def write_schemas(folder: Path) -> None:
    """Write all schema files."""
    for name, content in schemas().items():
        write_json(folder / name, content)
