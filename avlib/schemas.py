"""The files in schemas/, generated from the configuration classes and the table schemas."""

from pathlib import Path
from typing import Any

from avlib.datasets import tables as dataset_tables
from avlib.extractors import tables as extractor_tables
from avlib.io.atomic import write_json
from avlib.io.tables import TableSchema
from avlib.media import tables as media_tables
from avlib.retrieval import tables as retrieval_tables
from avlib.soundtracks import tables as soundtrack_tables
from avlib.studies import Config
from avlib.tagging import tables as tagging_tables
from avlib.tim import tables as tim_tables

OWNERS = (
    *(media_tables, dataset_tables, extractor_tables),
    *(tim_tables, soundtrack_tables, retrieval_tables, tagging_tables),
)
ALL_TABLES = tuple(
    table for owner in OWNERS for table in vars(owner).values() if isinstance(table, TableSchema)
)


def schemas() -> dict[str, Any]:
    """Return the content of every schema file by its name."""
    tables = {f"{table.name}.schema.json": table.as_json() for table in ALL_TABLES}
    return {"config.schema.json": Config.model_json_schema(), **tables}


def write_schemas(folder: Path) -> None:
    """Write all schema files."""
    for name, content in schemas().items():
        write_json(folder / name, content)
