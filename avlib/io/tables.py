"""Parquet tables whose columns are checked against a schema when written and read.

A schema stands in the `tables.py` of its owner; `schemas/*.schema.json` is generated from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.io.torn import torn


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, whether it may be empty, and what it holds."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of table, in order."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """The schema as Arrow reads it."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    def as_json(self) -> dict[str, Any]:
        """Return the content of `schemas/<name>.schema.json`."""
        return {
            "table": self.name,
            "description": self.description,
            "columns": [
                {
                    "name": c.name,
                    "type": str(c.type),
                    "nullable": c.nullable,
                    "description": c.description,
                }
                for c in self.columns
            ],
        }


VIDEO_ID = Column("video_id", pa.string(), "name of the video, unique in the study")
SPLIT = Column("split", pa.string(), "train, val or test")
TRUE_CLASS = Column("class_id", pa.int64(), "number of the true class")
START_S = Column("start_s", pa.float64(), "seconds from the start of the video")
STOP_S = Column("stop_s", pa.float64(), "seconds from the start of the video")


def write_table(rows: pd.DataFrame, target: Path, schema: TableSchema) -> None:
    """Write `rows` as Parquet.

    Raises:
        DataError: if a column is missing, unknown, of another type or empty where it must not be.
    """
    write_parts([rows], target, schema)


def write_parts(parts: Iterable[pd.DataFrame], target: Path, schema: TableSchema) -> None:
    """Write successive parts of a table as one Parquet file; only one is in memory at a time.

    Raises:
        DataError: as `write_table`.
    """
    with atomic_path(target) as partial, pq.ParquetWriter(partial, schema.arrow) as writer:
        for rows in parts:
            writer.write_table(_checked(rows, target, schema))


def _checked(rows: pd.DataFrame, target: Path, schema: TableSchema) -> pa.Table:
    """Return rows as Arrow has them, after checking columns, types and empty values."""
    expected = [c.name for c in schema.columns]
    if set(rows.columns) != set(expected):
        missing = sorted(set(expected) - set(rows.columns))
        unknown = sorted(set(rows.columns) - set(expected))
        raise DataError(f"{target}: {schema.name} table lacks {missing}, does not know {unknown}")
    for column in schema.columns:
        if not column.nullable and rows[column.name].isna().any():
            raise DataError(f"{target}: column {column.name} of {schema.name} has empty values")
    try:
        table = pa.Table.from_pandas(rows[expected], schema=schema.arrow, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{target}: {schema.name} table: {error}") from error
    return table.replace_schema_metadata(None)


def read_table(
    source: Path,
    schema: TableSchema,
    *,
    columns: Sequence[str] | None = None,
    where: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the rows of a Parquet table that has the columns of `schema`.

    Args:
        source: file of the table.
        schema: its kind.
        columns: names of those that are returned, so that others take no memory; None: all.
        where: texts that rows must have in columns of these names; parts of the file without such
            rows take no memory.

    Raises:
        DataError: if the file is no Parquet table, is damaged, or has other columns or types.
    """
    try:
        file = pq.ParquetFile(source)
        names = file.schema_arrow.names
        kept = names if columns is None else list(columns)
        table = _where(file, kept, where) if where else file.read(kept)
        table.validate(full=True)
    except Exception as error:  # a damaged table can fail in any operation
        raise torn(source, f"{schema.name} table", error) from error
    if names != [c.name for c in schema.columns]:
        raise DataError(f"{source}: columns {names} are not those of {schema.name}")
    for column in [c for c in schema.columns if c.name in table.column_names]:
        kind = table.schema.field(column.name).type
        if kind != column.type or (not column.nullable and table[column.name].null_count):
            found = f"{kind} with empty values" if kind == column.type else str(kind)
            expected = f"{schema.name} has {column.type}"
            raise DataError(f"{source}: column {column.name} is {found}, {expected}")
    return table.to_pandas()


def _where(file: pq.ParquetFile, columns: list[str], where: Mapping[str, str]) -> pa.Table:
    """Return the rows with these texts; a row group at a time, and only those that have some."""
    parts = []
    for number in range(file.num_row_groups):
        found = file.read_row_group(number, list(where))
        masks = [pc.equal(found[name], text) for name, text in where.items()]
        mask = reduce(pc.and_, masks)
        if pc.any(mask).as_py():
            parts.append(file.read_row_group(number, columns).filter(mask))
    return pa.concat_tables(parts) if parts else file.schema_arrow.empty_table().select(columns)
