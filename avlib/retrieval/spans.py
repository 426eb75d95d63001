"""Where the clips of a benchmark are, as the planning of a run asks, after a check of its tables.

Reading all questions of AudioEgoMCQ takes longer than planning may, so the answer is kept.
"""

from collections.abc import Mapping
from pathlib import Path

from avlib.io.atomic import write_json
from avlib.io.json_files import read_cached_json
from avlib.io.provenance import code_fingerprint
from avlib.retrieval.annotations import check_annotations

Span = tuple[str, float, float]  # recording, start and stop in seconds


def clip_spans(benchmark: str, files: Mapping[str, Mapping[str, Path]], kept: Path) -> list[Span]:
    """Return the spans of all clips; tables that have not changed are not read again.

    Args:
        benchmark: as `check_annotations` takes it.
        files: published files by role, of `all` and of each subset.
        kept: JSON file for the answer.

    Raises:
        UnsafePickleError, DataError: as `check_annotations`.
        OSError: if a file does not exist.
    """
    states = [(path, path.stat()) for roles in files.values() for path in roles.values()]
    key = [[str(path), state.st_size, state.st_mtime_ns] for path, state in states]
    made_from = {"files": key, "code": code_fingerprint("avlib.retrieval.annotations")}
    known = read_cached_json(kept)
    if not isinstance(known, dict) or known.get("made_from") != made_from:
        clips = check_annotations(benchmark, files).clips
        spans = clips[["video_id", "start_s", "stop_s"]].to_numpy().tolist()
        known = {"made_from": made_from, "spans": spans}
        write_json(kept, known)
    return [(str(recording), start_s, stop_s) for recording, start_s, stop_s in known["spans"]]
