"""Runs on 1,000 short videos: all of them against none, one changed, and one added.

.venv/bin/python benchmarks/incremental.py
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from measure import describe, run_workflow, save_narrow_checkpoint, write_result

from avlib.media import ffmpeg

VIDEOS = 1000
OVERLAY = """
custom:
  videos: {folder}/videos
  checkpoints: {{asf: {folder}/narrow.pyth}}
  shards: 16
  feature_shards: 4
"""


def make_videos(folder: Path) -> None:
    """Write one video and give it many names."""
    folder.mkdir()
    first = folder / "0000.mp4"
    picture, sound = "testsrc2=s=64x48:r=25:d=1.5", "anoisesrc=r=16000:d=1.5:a=0.2"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin"]
    subprocess.run([*quiet, *inputs, "-c:v", "mpeg4", "-c:a", "aac", first], check=True)
    for number in range(1, VIDEOS):
        shutil.copyfile(first, folder / f"{number:04}.mp4")


def timed(folder: Path) -> tuple[float, int]:
    """Run the workflow; return the seconds it took and the number of jobs."""
    start = time.monotonic()
    said = run_workflow(folder, folder / "overlay.yaml")
    seconds = time.monotonic() - start
    jobs = re.search(r"^total +(\d+)$", said, re.MULTILINE)
    return round(seconds, 1), int(jobs.group(1)) if jobs else 0


def main() -> None:
    """Run on all videos, again, after touching one, and after adding one."""
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_videos(folder / "videos")
        save_narrow_checkpoint(folder / "narrow.pyth")
        (folder / "overlay.yaml").write_text(OVERLAY.format(folder=folder))
        first = timed(folder)
        again = timed(folder)
        os.utime(folder / "videos" / "0500.mp4", (1, 1))
        touched = timed(folder)
        shutil.copyfile(folder / "videos" / "0000.mp4", folder / "videos" / "new.mp4")
        added = timed(folder)
    runs = {"first": first, "second": again, "one touched": touched, "one added": added}
    result = {"videos": VIDEOS}
    for run, (seconds, jobs) in runs.items():
        result |= {f"{run}: seconds": seconds, f"{run}: jobs": jobs}
    write_result("incremental", result, "avlib", "snakemake")


if __name__ == "__main__":
    main()
