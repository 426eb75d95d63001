"""Memory and time of an epoch of VALOR against VALOR++, on random features of LLP's size.

10,000 videos to learn and 649 to validate; files are links to a few distinct ones, since what they
hold does not matter here.

    .venv/bin/python benchmarks/event_parsing_memory.py
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import describe, run_workflow, write_result

from avlib.datasets.llp import DENSE_COLUMNS, LABEL_FILES, WEAK_COLUMNS
from avlib.valor.feature_folders import FEATURE_KINDS, PSEUDO_LABELS

VIDEOS = {"train": 10_000, "val": 649, "test": 1_200}
DISTINCT = 40
OVERLAY = """
llp:
  source: official
  labels: {0}
  features: {{vggish: {0}/vggish, res152: {0}/res152, r2plus1d_18: {0}/r2plus1d_18,
              clip: {0}/clip, clap: {0}/clap}}
  pseudo_labels: {{audio: {0}/audio, visual: {0}/visual}}
  variants: [valor, valor++]
  training: {{epochs: 1}}
"""


def write_labels(folder: Path) -> list[str]:
    """Write the label files; return the ids of all videos."""
    ids = []
    for split, count in VIDEOS.items():
        named = [f"{split:_<5}{number:06}" for number in range(count)]
        rows = "".join(f"{video_id}_0_10\tSpeech,Dog\n" for video_id in named)
        (folder / LABEL_FILES[split]).write_text("\t".join(WEAK_COLUMNS) + "\n" + rows)
        ids += named
    for modality in ("audio", "visual"):
        rows = "".join(f"{video_id}_0_10\t2\t7\tDog\n" for video_id in ids)
        (folder / LABEL_FILES[modality]).write_text("\t".join(DENSE_COLUMNS) + "\n" + rows)
    return ids


def write_arrays(folder: Path, ids: list[str]) -> None:
    """Write features and pseudo labels of all videos."""
    rng = np.random.default_rng(0)
    shapes = {name: (FEATURE_KINDS[name].rows, FEATURE_KINDS[name].width) for name in FEATURE_KINDS}
    for name in [*(n for n in shapes if FEATURE_KINDS[n].folder), *PSEUDO_LABELS]:
        (folder / name).mkdir()
        for number, video_id in enumerate(ids):
            path = folder / name / f"{video_id}.npy"
            if number >= DISTINCT:
                path.hardlink_to(folder / name / f"{ids[number % DISTINCT]}.npy")
            elif name in shapes:
                np.save(path, rng.standard_normal(shapes[name], dtype=np.float32))
            else:
                np.save(path, (rng.random((10, 25)) < 0.05).astype(np.int64))


def main() -> None:
    """Run the workflow and report the largest process."""
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_arrays(folder, write_labels(folder))
        overlay = folder / "overlay.yaml"
        overlay.write_text(OVERLAY.format(folder))
        start = time.monotonic()
        run_workflow(folder, overlay, target="results/llp/summary.json")
        seconds = time.monotonic() - start
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result = {
        "videos to learn": VIDEOS["train"],
        "most memory of a job, MiB": round(peak_kib / 1024),
        "seconds of one epoch of two variants": round(seconds),
    }
    write_result("event_parsing_memory", result, "avlib", "torch")


if __name__ == "__main__":
    main()
