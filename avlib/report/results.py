"""What a run found, in words: its last lines on the console, and the first page of the report."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avlib.evaluation.headline import headline
from avlib.io.json_files import read_cached_json
from avlib.report.tag_lines import tag_lines

TAGS = "tags.json"  # what was found without labels
METRICS_FILES = (
    *("*/test_metrics.json", "*/summary.json", "*/features/*/summary.json"),
    *("*/*/test_metrics.json", "*/tables.json"),  # of models, and of all that were compared
    f"*/{TAGS}",
)
NAMES = {"test_metrics.json", "summary.json", "tables.json", TAGS}
NAMES_SHOWN = 3  # of the videos that are left out, by status
NEXT = "figures and all results in one file: .venv/bin/snakemake --report report.html"


def closing_lines(targets: Iterable[Path], configfiles: Sequence[Path] = ()) -> list[str]:
    """Return what is to be said at the end of a run.

    Args:
        targets: files that the run was to make; metrics files among them are summarised, and
            summaries beside them.
        configfiles: overlays of the run, which its report needs as well.
    """
    lines = []
    summaries = _summaries(targets)
    for path, content in summaries.items():
        found = [*_lines(path, content), *_files(path)]
        if path.name == TAGS:  # events come last
            found = [
                _files_line(content["videos"], path.parent / "seconds"),
                *_lines(path, content),
            ]
        lines += [f"{content['study']}: {path}", *(f"  {line}" for line in found)]
    if all(path.name == TAGS for path in summaries):  # a picture a video is no figure of a report
        return lines
    options = shlex.join(["--configfile", *map(str, configfiles)]) if configfiles else ""
    return [*lines, f"{NEXT} {options}".rstrip()] if lines else []


def front_page(results: Path) -> dict[str, list[str]]:
    """Return the lines of the report's first page: the results of every study that has some.

    Each line is a key: Snakemake shows keys as they are, and the values, which are empty, below.

    Args:
        results: folder of all results.
    """
    files = [path for pattern in METRICS_FILES for path in sorted(results.glob(pattern))]
    page: dict[str, list[str]] = {}
    for path, content in _summaries(files).items():
        names = ("study", "variant", "model")
        title = " ".join(str(content[key]) for key in names if key in content)
        for line in [*_lines(path, content), *_files(path), *_origins(content), f"in {path}"]:
            page[f"{title} | {line}"] = []
    return page or {"No study has come to its metrics yet.": []}


def _summaries(files: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """Return the content of the metrics files and summaries among or beside `files`."""
    beside = {
        path if path.suffix == ".json" else path.with_name("summary.json"): None for path in files
    }
    found = {}
    for path in beside:
        if path.name in NAMES and path.is_file():
            # A run that has ended well must not fail for want of last words.
            found[path] = read_cached_json(path) or {}
    # What stands side by side in a table, or in a summary, is not said again.
    compared = {Path(entry["path"]) for c in found.values() for entry in c.get("files", ())}
    compared |= {p for p in found if any(q / "summary.json" in found for q in p.parents[1:2])}
    return {
        path: content
        for path, content in found.items()
        if "study" in content and path not in compared
    }


def _lines(path: Path, content: Mapping[str, Any]) -> list[str]:
    if path.name == TAGS:
        return tag_lines(path, content)
    if "extraction" not in content:
        return headline(content)
    counts = content["counts"]
    videos = sum(counts["videos"].values())
    return [f"{path.parent.name} features of {counts['feature_files']} of {videos} videos"]


def _files(path: Path) -> list[str]:
    """Return what became of the files of a result's study, from `media.manifest.count_files`."""
    folder = next((p for p in path.parents if (p / "files.json").is_file()), None)
    if folder is None:
        return []
    files = read_cached_json(folder / "files.json")
    return [] if files is None else [_files_line(files, folder / "manifest.parquet")]


def _files_line(files: Mapping[str, Any], where: Path) -> str:
    line = f"files: {files['found']} found, {files['used']} used"
    left_out = [
        f"{entry['count']} {status} ({', '.join(entry['names'][:NAMES_SHOWN])}"
        f"{', ...' if entry['count'] > NAMES_SHOWN else ''})"
        for status, entry in files["left_out"].items()
    ]
    line += f"; left out: {', '.join(left_out)}" if left_out else ", none left out"
    if files["passed_over"]:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in files["passed_over"].items())
        line += f"; passed over: {kinds}"
    return f"{line}; {where}"


def _origins(content: Mapping[str, Any]) -> list[str]:
    """Return how the weights of each network were made."""
    models = content.get("models", {})
    entries = {name: entry["weights"] for name, entry in models.items() if "weights" in entry}
    return [f"weights of {name}: {origin}" for name, origin in entries.items()]
