"""Memory of `predict` on recordings of three hours, of video and of sound.

The studies are made here, with random weights: of the packaged networks, YAMNet and
EfficientNet-Lite0; of the narrow networks that the miniature of AVE trains, Auditory SlowFast and
Omnivore; and of soundtracks. Other ones may be named instead. Memory is that of the command and of
what it starts: the resident set of the command, libraries included, and beside it what its children
do not share. It takes an hour.

    .venv/bin/python benchmarks/predict_memory.py [results/<study> ...]
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import ROOT, describe, write_result

from avlib.extractors.omnivore.recipes import OMNIVORE_RECIPES
from avlib.extractors.omnivore.weights import ClipSize
from avlib.media import ffmpeg
from avlib.tim.recipes import TIM_RECIPES

SECONDS_BETWEEN_LOOKS = 0.1
FPS = 10  # of the video; with more of them only decoding takes longer


def make_recordings(folder: Path, minutes: int) -> dict[str, Path]:
    """Write a minute of sound and of video, repeated to the full length; return both by kind."""
    made = {"sound": folder / "sound.wav", "video": folder / "video.mp4"}
    sound = ["-f", "lavfi", "-i", "anoisesrc=r=16000:d=60:a=0.2"]
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=320x240:r={FPS}:d=60"]
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin", "-y"]
    for target, inputs in ((made["sound"], sound), (made["video"], [*picture, *sound])):
        minute = target.with_name(f"minute{target.suffix}")
        subprocess.run([*quiet, *inputs, minute], check=True)
        repeat = ["-stream_loop", str(minutes - 1), "-i", minute, "-c", "copy"]
        subprocess.run([*quiet, *repeat, target], check=True)
        minute.unlink()
    return made


def measure(command: list[str | Path]) -> tuple[float, float, float]:
    """Run a command; return MB of its largest process, MB of all at a time, and seconds."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    largest = whole = 0.0
    while process.poll() is None:
        own = _kilobytes(process.pid)
        largest = max(largest, own.get("VmHWM", 0) * 1.024 / 1000)
        children = [_kilobytes(pid, "smaps_rollup") for pid in _below(process.pid)]
        private = sum(c.get("Private_Clean", 0) + c.get("Private_Dirty", 0) for c in children)
        whole = max(whole, (own.get("VmRSS", 0) + private) * 1.024 / 1000)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        assert process.stderr is not None
        raise SystemExit(process.stderr.read().decode()[-3000:])
    return largest, max(whole, largest), time.monotonic() - start


def _kilobytes(pid: int, file: str = "status") -> dict[str, int]:
    """Return the amounts that Linux states of a process; nothing where it has ended."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return {}
    return {name: int(amount) for name, amount in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}


def _below(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that they have."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in listed.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _below(child)


def made_studies(folder: Path) -> dict[str, list[Path]]:
    """Write studies of random weights; return them by kind of recording."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_soundtrack_study import write_soundtrack_study
    from tiny_trained_study import COMMON, Features, Networks, with_omnivore, write_trained_study

    miniature = OMNIVORE_RECIPES["miniature"]
    clip = ClipSize(miniature.num_frames, miniature.crop)
    packaged = Networks(
        Features("efficientnet_lite0", COMMON | {"frames": "decoded"}, 1280, None),
        Features("yamnet", COMMON | {"sample_rate": 16_000}, 1024, None),
        TIM_RECIPES["packaged"],
        {"interval_s": 1.0, "hop_s": 1.0, "seconds": "all"},
    )
    narrow = with_omnivore(miniature.sizes, clip, TIM_RECIPES["small"])
    studies = [
        write_trained_study(folder / name / "results" / "own", networks=networks)
        for name, networks in (("packaged", packaged), ("narrow", narrow))
    ]
    heard = write_soundtrack_study(folder / "soundtracks" / "results" / "own")
    return {"video": studies, "sound": [studies[0], heard]}


def main() -> None:
    """Measure the command on each recording with each study."""
    describe(__doc__)
    parser = argparse.ArgumentParser()
    parser.add_argument("studies", nargs="*", type=Path, help="results/<study>; none: made ones")
    parser.add_argument("--minutes", type=int, default=180, help="length of the recordings")
    options = parser.parse_args()
    result: dict[str, int] = {"length of a recording, minutes": options.minutes}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = make_recordings(folder, options.minutes)
        made = dict.fromkeys(recordings, options.studies)
        for kind, studies in (made if options.studies else made_studies(folder)).items():
            for study in studies:
                recording = recordings[kind]
                command = [sys.executable, "-m", "avlib", "predict", recording]
                command += ["--model", study, "--output", folder / "out"]
                largest, whole, seconds = measure(command)
                what = f"{study if options.studies else study.parents[1].name}, {kind}"
                result[f"{what}: the command, MB"] = round(largest)
                result[f"{what}: with its children, MB"] = round(whole)
                result[f"{what}: seconds"] = round(seconds)
    write_result("predict_memory", result, "avlib", "torch")


if __name__ == "__main__":
    main()
