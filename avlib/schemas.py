"""The files in schemas/, generated from the configuration classes and the table schemas."""

from pathlib import Path
from typing import Any

from avlib.config import Config
from avlib.io.atomic import write_json
from avlib.io.tables import ALL_TABLES


def schemas() -> dict[str, Any]:
    """Return the content of every schema file by its name."""
    tables = {f"{table.name}.schema.json": table.as_json() for table in ALL_TABLES}
    return {"config.schema.json": Config.model_json_schema(), **tables}


def write_schemas(folder: Path) -> None:
    """Write all schema files."""
    for name, content in schemas().items():
        write_json(folder / name, content)
