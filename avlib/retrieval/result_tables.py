"""Stage gather_tables: metrics files of models as tables 1 to 5 of the paper.

Source: Oncescu et al., "A sound approach", ICASSP 2024, whose tables have a row a model and kind of
text. A cell is a number with its deviation over the seeds of crops, or `not run`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlib.datasets.captioned import KINDS, RELEVANCIES
from avlib.datasets.ego_mcq import TYPES
from avlib.evaluation.retrieval_headline import CHANCE
from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash
from avlib.io.json_files import read_json, value_at
from avlib.retrieval.tables import DIRECTIONS

NOT_RUN = "not run"
PUBLISHED_MODELS = ("clap", "ase_audiocaps", "ase_clotho")
RECALLS = ("r1", "r5", "r10", "r50", "median_rank", "mean_rank")
RANKING_COLUMNS = (
    *(f"{name}.{part}" for name in ("ndcg", "map") for part in (*DIRECTIONS, "mean")),
    *(f"recall.{direction}.{name}" for direction in DIRECTIONS for name in RECALLS),
)
QUESTION_COLUMNS = tuple(f"accuracy.{kind}" for kind in TYPES.values())

Runs = Mapping[str, Mapping[str, Path]]  # metrics files by benchmark and model


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number: in the paper.
        title: what it is of.
        benchmark: section of the study.
        relevancy: its groups of rows: all clips, or subsets by audio relevancy.
        columns: places of the numbers in a metrics file, below relevancy and kind of text.
    """

    number: int
    title: str
    benchmark: str
    relevancy: Sequence[str]
    columns: Sequence[str]


LEVELS = RELEVANCIES[1:]
PAPER_TABLES = (
    PaperTable(1, "AudioEpicMIR", "epic_mir", ("all",), RANKING_COLUMNS),
    PaperTable(2, "AudioEgoMCQ", "ego_mcq", ("all",), QUESTION_COLUMNS),
    PaperTable(3, "EpicSoundsRet", "epic_sounds_ret", ("all",), RANKING_COLUMNS),
    PaperTable(4, "AudioEpicMIR by audio relevancy", "epic_mir", LEVELS, RANKING_COLUMNS),
    PaperTable(5, "AudioEgoMCQ by audio relevancy", "ego_mcq", LEVELS, QUESTION_COLUMNS),
)


def gather_tables(runs: Runs, target: Path) -> None:
    """Write the tables, with every cell that the metrics files do not have as `not run`.

    Args:
        runs: metrics files of `evaluate_retrieval` by benchmark and model.
        target: JSON file to write: `tables`, and `files` with hash, counts, seeds and the origin
            of the weights of every metrics file.
    """
    content = {
        benchmark: {model: read_json(path) for model, path in models.items()}
        for benchmark, models in runs.items()
    }
    files = [
        _described(path, benchmark, model, content[benchmark][model])
        for benchmark, models in runs.items()
        for model, path in models.items()
    ]
    tables = [_table(table, content.get(table.benchmark, {}), runs) for table in PAPER_TABLES]
    notes = dict.fromkeys(note for table in tables for note in table["notes"])
    summary = {"study": "retrieval", "tables": tables, "files": files, "notes": list(notes)}
    write_json(target, summary)


def _described(path: Path, benchmark: str, model: str, content: Mapping[str, Any]) -> Any:
    """Return what a metrics file rests on."""
    weights = {name: entry["weights"] for name, entry in content["models"].items()}
    own = {"path": str(path), "sha256": file_hash(path), "benchmark": benchmark, "model": model}
    kept = {name: content.get(name) for name in ("study", "config_hash", "seeds", "counts")}
    return own | kept | {"weights": weights, "notes": content["notes"]}


def _table(table: PaperTable, found: Mapping[str, Mapping[str, Any]], runs: Runs) -> Any:
    rows: list[Any] = []
    for relevancy in table.relevancy:
        rows += _chance_rows(table, relevancy, found)
        for model in dict.fromkeys([*PUBLISHED_MODELS, *found]):
            content = found.get(model, {})
            for kind in KINDS:
                is_run = value_at(content, ["metrics", relevancy, kind]) is not None
                if is_run or model in PUBLISHED_MODELS:
                    path = str(runs[table.benchmark][model]) if is_run else None
                    cells = {c: _cell(content, relevancy, kind, c) for c in table.columns}
                    rows.append(_row(relevancy, model, kind, path, cells))
    notes = dict.fromkeys(note for content in found.values() for note in content["notes"])
    own = {"number": table.number, "title": table.title, "benchmark": table.benchmark}
    return own | {"columns": list(table.columns), "rows": rows, "notes": list(notes)}


def _cell(content: Mapping[str, Any], relevancy: str, kind: str, column: str) -> Any:
    """Return a number with its deviation, or NOT_RUN."""
    place = [relevancy, kind, *column.split(".")]
    value, deviation = (value_at(content, [tree, *place]) for tree in ("metrics", "deviations"))
    return NOT_RUN if value is None else {"value": value, "deviation": deviation}


def _chance_rows(
    table: PaperTable, relevancy: str, found: Mapping[str, Mapping[str, Any]]
) -> Iterator[Any]:
    """Yield what a random order reaches, of each kind of text; it is the same for all models."""
    for kind in KINDS:
        levels = (value_at(content, ["chance", relevancy, kind]) for content in found.values())
        level = next(filter(None, levels), None)
        if level is not None:
            values = {column: value_at(level, column.split(".")) for column in table.columns}
            cells = {
                column: NOT_RUN if value is None else {"value": value, "deviation": None}
                for column, value in values.items()
            }
            yield _row(relevancy, CHANCE, kind, None, cells)


def _row(relevancy: str, model: str, kind: str, path: str | None, cells: Any) -> Any:
    own = {"relevancy": relevancy, "model": model, "texts": kind}
    return own | {"file": path, "cells": cells}
