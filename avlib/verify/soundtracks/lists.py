"""Golden cases of names and lists: the order of soundtracks and the videos they belong to."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avlib.datasets.kinetics import (
    match_soundtracks,
    read_soundtrack_list,
    read_video_list,
    soundtrack_name,
    unmatched,
    windows_order,
)
from avlib.verify.golden import Case, Comparison, Numerics, compare_exactly, data_folder

logger = logging.getLogger(__name__)

VIDEOS, SOUNDTRACKS = "Kinetics_600_vallist.txt", "K600_audio_file.txt"


def small_lists(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the names and the order of the soundtracks of some videos, and their matching."""
    c = case.content
    videos = [(label, name) for label, name in c["videos"]]
    silent = set(c["videos_without_soundtrack"])
    files = [(label, soundtrack_name(name)) for label, name in videos if name not in silent]
    ordered = [list(files[i]) for i in windows_order(files)]
    yield compare_exactly("order", ordered, c["soundtracks_in_reference_order"])
    given = [name for _, name in c["soundtracks_in_reference_order"]]
    match = match_soundtracks([name for _, name in videos], given)
    yield compare_exactly("matching", match.video.tolist(), c["video_index_of_soundtrack"])
    without = [videos[i][1] for i in match.unmatched_videos]
    yield compare_exactly("videos without", without, c["videos_without_soundtrack"])


def match_index(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the matching of the published lists, where they are, and what follows from it.

    The lists are not part of this repository; without them only the videos that are left out are
    told from the golden index.
    """
    c, golden = case.content, case.arrays["index"]
    left_out = c["video_positions_without_soundtrack"]
    found = unmatched(golden, len(golden) + len(left_out))
    yield compare_exactly("left out by the golden index", found, left_out)
    folder = data_folder(case.path) / "k600"
    paths = [_existing(folder / name) for name in (VIDEOS, SOUNDTRACKS)]
    if paths[0] is None or paths[1] is None:
        logger.warning("%s: not compared with the lists, which are not in %s", case.id, folder)
        return
    videos, soundtracks = read_video_list(paths[0]), read_soundtrack_list(paths[1])
    match = match_soundtracks(videos["name"].to_list(), soundtracks["name"].to_list())
    index = match.video
    yield compare_exactly("index", index.tolist(), golden.tolist())
    digest = hashlib.sha256(index.astype("<i4").tobytes()).hexdigest()
    kept = np.setdiff1d(np.arange(len(videos)), left_out)
    same = int((index == kept).sum()) if len(kept) == len(index) else None
    results = {
        "sha256_of_little_endian_int32": digest,
        "first": index[: len(c.get("first", ()))].tolist(),
        "last": index[len(index) - len(c.get("last", ())) :].tolist(),
        "video_positions_without_soundtrack": match.unmatched_videos,
        "identity_positions_after_dropping_the_22": same,
    }
    for name, result in results.items():
        if name in c:
            yield compare_exactly(name, result, c[name])


def _existing(path: Path) -> Path | None:
    """Return the path of a list, plain or compressed, None where there is none."""
    candidates = (path, path.with_name(f"{path.name}.gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
