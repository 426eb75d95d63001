"""The miniatures of AudioEpicMIR, AudioEgoMCQ and EpicSoundsRet, in their official layouts.

In all, recordings show and sound one action of a kitchen after the other; the official files say
where each clip is and which texts it has. Relevancy matrices are not written: they follow from the
tables. An action's sound stands out little, moderately or much, and the subsets by audio relevancy
consist of the clips, or of the questions about clips, of each such level.
"""

import string
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from avlib.datasets.ego_mcq import N_CHOICES
from avlib.datasets.miniature.kitchen import ACTIONS
from avlib.datasets.miniature.kitchen_questions import write_questions
from avlib.datasets.miniature.kitchen_tables import write_mir_tables, write_sound_tables
from avlib.datasets.miniature.kitchen_videos import (
    FPS,
    PlannedRecording,
    plan_clips,
    render_recording,
)
from avlib.errors import ConfigError
from avlib.media.recordings import CHUNK_S
from avlib.seeds import generator

BENCHMARKS = ("epic_mir", "ego_mcq", "epic_sounds_ret")
ANNOTATIONS = {  # folder of the tables below that of the miniature
    "epic_mir": "retrieval_annotations",
    "ego_mcq": "dataset",
    "epic_sounds_ret": "retrieval_annotations",
}
VIDEOS = {  # folder of the videos
    "epic_mir": "EPIC-KITCHENS",
    "ego_mcq": "ego4d_chunked",
    "epic_sounds_ret": "EPIC-KITCHENS",
}
EGO_FPS = 30  # which the published clips count frames by
_RESUMES_AT = round(598.5 * FPS)  # the long recording, whose next clip is cut in two
_AFTER = 5  # frames after the last clip


def miniature_plan(
    benchmark: str, *, videos: int = 6, clips: int = 16, seed: int
) -> list[PlannedRecording]:
    """Return the recordings that `render_miniature` renders, without rendering them.

    A recording depends on the seed, its number and its clips alone, so that a miniature of more
    videos contains those of fewer. The first clip of each is longer than 10 s. The first recording
    of AudioEgoMCQ has two files: its second half lies after a still of ten minutes.

    Args:
        benchmark: one of BENCHMARKS.
        videos: number of recordings.
        clips: number of clips of each.
        seed: seed of all draws.

    Raises:
        ConfigError: if a number is out of range.
    """
    least = N_CHOICES if benchmark == "ego_mcq" else 1
    if videos < least or not least <= clips <= len(ACTIONS):
        raise ConfigError(
            f"the miniature of {benchmark} needs {least} videos or more, of {least} to "
            f"{len(ACTIONS)} clips, not {videos} of {clips}"
        )
    plan = _ego_recording if benchmark == "ego_mcq" else _epic_recording
    return [plan(benchmark, number, clips, seed) for number in range(videos)]


def _epic_recording(benchmark: str, number: int, clips: int, seed: int) -> PlannedRecording:
    """Return a recording with a name of EPIC-KITCHENS; each participant has two."""
    participant = f"P{number // 2 + 1:02}"
    video_id = f"{participant}_{number % 2 + 1:02}"
    path = f"{VIDEOS[benchmark]}/{participant}/videos/{video_id}.MP4"
    planned = tuple(plan_clips(video_id, clips, seed))
    return PlannedRecording(video_id, (path,), planned, planned[-1].stop + _AFTER)


def _ego_recording(benchmark: str, number: int, clips: int, seed: int) -> PlannedRecording:
    """Return a recording with a name of Ego4D, in files of CHUNK_S."""
    rng = generator(seed, "kitchen", benchmark, number)
    letters = "".join(rng.choice(list(string.hexdigits[:16]), 32))
    video_id = "-".join(letters[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
    planned = tuple(plan_clips(video_id, clips, seed, None if number else _RESUMES_AT))
    frames = planned[-1].stop + _AFTER
    chunks = -(-frames // (CHUNK_S * FPS))
    paths = tuple(f"{VIDEOS[benchmark]}/{video_id}/{chunk}.mp4" for chunk in range(chunks))
    return PlannedRecording(video_id, paths, planned, frames, CHUNK_S * FPS)


def render_miniature(
    benchmark: str, target: Path, *, videos: int = 6, clips: int = 16, seed: int, workers: int = 1
) -> list[PlannedRecording]:
    """Write the videos of a benchmark and then its tables below `target`.

    The bytes depend on the arguments but not on `workers`, the number of threads.

    Returns:
        the plan of the recordings.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(benchmark, videos=videos, clips=clips, seed=seed)
    shown = EGO_FPS // FPS if benchmark == "ego_mcq" else 1
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(render_recording, target, seed=seed, shown=shown), plan))
    write = {
        "epic_mir": write_mir_tables,
        "ego_mcq": write_questions,
        "epic_sounds_ret": write_sound_tables,
    }
    write[benchmark](target / ANNOTATIONS[benchmark], plan, seed)
    return plan
