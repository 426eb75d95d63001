"""Time and memory of the tables of EPIC-KITCHENS and EPIC-SOUNDS, from files to windows.

Files as they are published, with random content of the real sizes: 67,000 actions and 78,000 sounds
of 495 videos as CSV, and the pickle of 1.3 million feature intervals. They are read, checked and
cut into the windows of TIM's recipe for them, each stage in a process of its own, as in the
workflow.

    .venv/bin/python benchmarks/epic_tables.py
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from measure import describe, write_result

from avlib.extractors.intervals import interval_table, write_published_intervals
from avlib.extractors.tables import FEATURES
from avlib.io.tables import write_table
from avlib.seeds import generator
from avlib.tim.windows import WindowIndex

VIDEOS, ACTIONS, SOUNDS, INTERVALS = 495, 67_000, 78_000, 1_300_000
HOP_S = 0.2  # between two intervals
VERBS, NOUNS, SOUND_CLASSES = 97, 300, 44
EVENTS_S = (0.3, 6.0)  # shortest and longest

# The workflow's scripts, with the folder of the files as argument.
STAGES = {
    "intervals": """
from avlib.extractors.interval_shards import convert_published
convert_published([folder / "intervals.pkl"], folder / "intervals.parquet")
""",
    "events": """
from avlib.datasets.events import make_events
make_events("epic", files, folder / "events.parquet", folder / "classes.json")
""",
    "queries": """
from avlib.tim.queries import make_queries
make_queries("epic", files, folder / "queries.parquet", folder / "videos.parquet")
""",
    "windows": """
from avlib.tim.plan import make_windows
make_windows(
    queries=folder / "queries.parquet",
    videos=folder / "videos.parquet",
    intervals=folder / "intervals.parquet",
    indices=[folder / "features.parquet"],
    split="train",
    recipe="epic",
    target=folder / "train.npz",
)
""",
}
PREAMBLE = """
import sys
from pathlib import Path
folder = Path(sys.argv[1])
files = {
    "actions.train": folder / "EPIC_100_train.csv",
    "sounds.train": folder / "EPIC_Sounds_train.csv",
    "video_info": folder / "EPIC_100_video_info.csv",
}
"""


def timestamps(seconds: np.ndarray) -> list[str]:
    """Return times as HH:MM:SS.sss."""
    return [f"{s // 3600:02.0f}:{s // 60 % 60:02.0f}:{s % 60:06.3f}" for s in seconds]


def make_files(folder: Path) -> None:
    """Write the annotations, the table of videos, the intervals and an index of features."""
    rng = generator(0, "tables of EPIC")
    shares = rng.gamma(1.0, size=VIDEOS)  # most videos are short, and some are an hour long
    lengths_s = (30 + shares * (INTERVALS * HOP_S - 30 * VIDEOS) / shares.sum()).round(6)
    names = np.array([f"P{k // 16 + 1:02}_{k % 16 + 101}" for k in range(VIDEOS)])
    columns = {"duration": lengths_s, "fps": 50.0, "resolution": "1920x1080"}
    videos = pd.DataFrame({"video_id": names, **columns})
    videos.to_csv(folder / "EPIC_100_video_info.csv", index=False)

    def events(count: int, id_column: str, rate: float) -> dict[str, object]:
        video = np.sort(rng.choice(VIDEOS, count, p=lengths_s / lengths_s.sum()))
        length_s = rng.uniform(*EVENTS_S, count)
        start_s = rng.random(count) * (lengths_s[video] - length_s)
        number = np.arange(count) - np.searchsorted(video, video)
        return {
            id_column: [f"{names[v]}_{k}" for v, k in zip(video, number, strict=True)],
            "participant_id": [name[:3] for name in names[video]],
            "video_id": names[video],
            "start_timestamp": timestamps(start_s),
            "stop_timestamp": timestamps(start_s + length_s),
            "start": (start_s * rate).astype(int),
            "stop": ((start_s + length_s) * rate).astype(int),
        }

    verb, noun = rng.integers(VERBS, size=ACTIONS), rng.integers(NOUNS, size=ACTIONS)
    texts = {"verb": [f"verb-{v}" for v in verb], "noun": [f"noun:{n}" for n in noun]}
    classes = {"verb_class": verb, "noun_class": noun, "all_nouns": [f"['a', '{n}']" for n in noun]}
    frames = {"start": "start_frame", "stop": "stop_frame"}
    actions = pd.DataFrame(events(ACTIONS, "narration_id", 50.0) | texts | classes)
    actions.rename(columns=frames).to_csv(folder / "EPIC_100_train.csv", index=False)
    sound = rng.integers(SOUND_CLASSES, size=SOUNDS)
    texts = {"description": "metal, water", "class": [f"sound {c}" for c in sound]}
    sounds = pd.DataFrame(events(SOUNDS, "annotation_id", 24e3) | texts | {"class_id": sound})
    sounds.to_csv(folder / "EPIC_Sounds_train.csv", index=False)
    write_features(folder, videos.rename(columns={"duration": "duration_s"}))


def write_features(folder: Path, videos: pd.DataFrame) -> None:
    """Write the intervals of videos, and an index of features in which all have some."""
    seen = videos.assign(frames=videos["duration_s"] * 50 // 1)
    intervals = interval_table(seen[["video_id", "duration_s", "frames", "fps"]])
    write_published_intervals(intervals, folder / "intervals.pkl")
    whole = {column.name: "" if str(column.type) == "string" else 1 for column in FEATURES.columns}
    index = pd.DataFrame(whole | {"split": "train", "status": "ok"}, index=range(VIDEOS))
    index = index.assign(video_id=videos["video_id"])
    write_table(index, folder / "features.parquet", FEATURES)


def run_stage(stage: str, folder: Path) -> tuple[float, float]:
    """Run a stage in a process; return its CPU seconds and its largest memory in MiB."""
    process = subprocess.Popen([sys.executable, "-c", PREAMBLE + STAGES[stage], folder])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process, too: the children of a large one count its memory as theirs.
        maker = multiprocessing.get_context("spawn").Process(target=make_files, args=(folder,))
        maker.start()
        maker.join()
        used = {stage: run_stage(stage, folder) for stage in STAGES}
        counts = WindowIndex.load(folder / "train.npz").counts()
        rows = len(pd.read_parquet(folder / "intervals.parquet", columns=["interval_id"]))
    result = {
        "videos": counts["videos"],
        "actions": ACTIONS,
        "sounds": SOUNDS,
        "intervals": rows,
        "windows": counts["windows"],
        "queries in windows": counts["visual_views"] + counts["audio_views"],
        **{f"{stage}, CPU s": round(seconds, 1) for stage, (seconds, _) in used.items()},
        **{f"{stage}, largest memory, MiB": round(mib) for stage, (_, mib) in used.items()},
        "all, CPU s": round(sum(seconds for seconds, _ in used.values()), 1),
    }
    write_result("epic_tables", result, "numpy", "pandas", "pyarrow")


if __name__ == "__main__":
    main()
