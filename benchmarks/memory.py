"""Memory and time of the jobs of one recording of three hours, from video to features.

The recording is three hours of video with sound; the network is a narrow one, whose weights do
not matter here.

    .venv/bin/python benchmarks/memory.py
"""

import resource
import subprocess
import tempfile
import time
from pathlib import Path

from measure import describe, run_workflow, save_narrow_checkpoint, write_result

from avlib.media import ffmpeg

HOURS = 3
OVERLAY = """
custom:
  videos: {folder}/videos
  checkpoints: {{asf: {folder}/narrow.pyth}}
  shards: 1
  feature_shards: 1
"""


def make_recording(target: Path) -> None:
    """Write a minute of sound and picture, repeated to the full length without encoding again."""
    minute = target.with_name("minute.mkv")
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin", "-y"]
    picture, sound = "testsrc2=s=64x48:r=25:d=60", "anoisesrc=r=44100:d=60:a=0.2"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    subprocess.run([*quiet, *inputs, "-c:v", "mpeg4", "-c:a", "aac", minute], check=True)
    repeat = ["-stream_loop", str(60 * HOURS - 1), "-i", minute, "-c", "copy"]
    subprocess.run([*quiet, *repeat, target], check=True)
    minute.unlink()


def main() -> None:
    """Run the workflow on the recording and report the largest process."""
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        make_recording(folder / "videos" / "long.mp4")
        save_narrow_checkpoint(folder / "narrow.pyth")
        overlay = folder / "overlay.yaml"
        overlay.write_text(OVERLAY.format(folder=folder))
        start = time.monotonic()
        run_workflow(folder, overlay)
        seconds = time.monotonic() - start
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result = {
        "length of the recording, hours": HOURS,
        "most memory of a job, MiB": round(peak_kib / 1024),
        "seconds from video to features": round(seconds),
    }
    write_result("memory", result, "avlib", "torch")


if __name__ == "__main__":
    main()
