"""What the metrics files of all studies share: weights, notes, videos left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash, weights_hash
from avlib.io.provenance import package_versions
from avlib.media.ffmpeg import binary, version
from avlib.origins import Origin
from avlib.packages import packaged_note

NOTES = {
    "trained": "{} was trained here on the study's own train split, not published; the numbers "
    "are not to be compared with those of the paper.",
    "untrained": "{} has random weights; the numbers say nothing about the method.",
}


@dataclass(frozen=True)
class Provenance:
    """What a metrics file says about how its numbers were made.

    Attributes:
        study: fields that begin the file: `study`, `config_hash` and others.
        models: weights by network, or by fold of the one network; None for none.
        origins: how the weights of each network were made.
        inputs: further files whose hashes are written, by name.
    """

    study: Mapping[str, str]
    models: Mapping[str, Path | None]
    origins: Mapping[str, Origin]
    inputs: Mapping[str, Path] = field(default_factory=dict)


def write_metrics(
    target: Path,
    study: Mapping[str, Any],
    *,
    metrics: Mapping[str, Any],
    counts: Mapping[str, Any],
    models: Mapping[str, Any],
    notes: Iterable[str],
    inputs: Mapping[str, Path],
) -> None:
    """Write a study's metrics file.

    Args:
        target: JSON file.
        study: fields of its own: `study`, `config_hash` and others.
        metrics: the numbers by name.
        counts: what was evaluated, and what was left out.
        models: from `weights_entry`.
        notes: what a reader must know before comparing the numbers with others.
        inputs: files whose hashes are written, by name.
    """
    content = {
        **study,
        "metrics": metrics,
        "counts": counts,
        "models": models,
        "notes": list(notes),
        "inputs": {name: file_hash(path) for name, path in inputs.items()},
        "versions": package_versions() | {"ffmpeg": version(binary())},
    }
    write_json(target, content)


def weights_entry(path: Path | None, origin: Origin) -> dict[str, str | None]:
    """Return how weights were made, and their hash; None stands for no file."""
    return {"weights": origin, "sha256": None if path is None else weights_hash(path)}


def weights_entries(
    models: Mapping[str, Path | None], origins: Mapping[str, Origin]
) -> dict[str, dict[str, str | None]]:
    """Return the `weights_entry` of each network."""
    return {name: weights_entry(path, origins[name]) for name, path in models.items()}


def origin_notes(origins: Mapping[str, Origin], titles: Mapping[str, str]) -> dict[str, str]:
    """Return a sentence for each network whose weights are not given, by network.

    Args:
        origins: how the weights were made, by network.
        titles: what the networks are called.
    """
    notes = {name: NOTES[o].format(titles[name]) for name, o in origins.items() if o in NOTES}
    return notes | {n: packaged_note(n) for n, origin in origins.items() if origin == "packaged"}


def videos_left_out(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, str]]:
    """Return the videos that are left out, each with what left it out, and why.

    Args:
        tables: columns video_id, split, status and message, by what decides.
    """
    columns = ["video_id", "split", "left_out_by", "status", "message"]
    table = pd.concat([rows.assign(left_out_by=name)[columns] for name, rows in tables.items()])
    bad = table[table["status"] != "ok"].sort_values(["split", "video_id"], kind="stable")
    return bad.to_dict("records")
