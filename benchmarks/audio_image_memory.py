"""Memory and time of 20,000 soundtracks against a tenth of them, to packs of audio images.

A few wav files of 1.2 s, 44.1 kHz, one or two channels, go by many names. As in the workflow each
stage of a shard is a process of its own. All files are measured, and a tenth of them in as many
shards: what a job needs should not grow with the files of its shard, apart from what HDF5 remembers
of the data sets of an open pack, which it limits to 32 MiB.

    .venv/bin/python benchmarks/audio_image_memory.py [FILES]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from measure import describe, write_result

from avlib.media.scan import scan
from avlib.media.videos import Video

RATE, SHARDS, RECORDINGS = 44_100, 8, 8
SECONDS = (1.1, 1.3)  # of the shortest and the longest recording

# The workflow's scripts, with the paths of a shard as arguments.
STAGES = {
    "probe": """
from avlib.media.probe import probe_shard
probe_shard(shard / "videos.json", shard / "probe.parquet")
""",
    "sound packs": """
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
pack_waveforms(
    videos=shard / "videos.json",
    manifest=shard / "probe.parquet",
    settings=SoundSettings(44_100, "ffmpeg", "own"),
    previous=shard / "cache" / "sound.h5",
    pack_target=shard / "sound.h5",
    manifest_target=shard / "sound.parquet",
)
""",
    "audio images": """
from avlib.soundtracks.image_packs import pack_audio_images
from avlib.soundtracks.mel import Mel
pack_audio_images(
    manifest=shard / "sound.parquet",
    sounds=shard / "sound.h5",
    mel=Mel(),
    previous=shard / "cache" / "images.h5",
    pack_target=shard / "images.h5",
    index_target=shard / "images.parquet",
)
""",
}
PREAMBLE = "import sys\nfrom pathlib import Path\nshard = Path(sys.argv[1])\n"


def make_sounds(folder: Path, n_files: int) -> list[Video]:
    """Write a few recordings and give them many names."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    recordings = [folder / f"recording {i}.wav" for i in range(RECORDINGS)]
    for i, path in enumerate(recordings):
        n_samples = int(RATE * rng.uniform(*SECONDS))
        noise = 3000 * rng.standard_normal((n_samples, 1 + i % 2))
        soundfile.write(path, np.round(noise).astype(np.int16), RATE)
    paths = [folder / f"{number:06}.wav" for number in range(n_files)]
    for number, path in enumerate(paths):
        path.hardlink_to(recordings[number % RECORDINGS])
    return [Video(path.stem, "train", str(path), str(path)) for path in paths]


def run_stage(stage: str, shard: Path) -> tuple[float, float]:
    """Run a stage of a shard in a process; return its largest memory in MiB and CPU seconds."""
    process = subprocess.Popen([sys.executable, "-c", PREAMBLE + STAGES[stage], shard])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage} of {shard} failed")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def measure(n_files: int) -> dict[str, dict[str, float]]:
    """Return the largest memory of a job and the CPU seconds of all, for each stage."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan(make_sounds(folder / "sounds", n_files), shards=SHARDS, folder=folder / "lists")
        used: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
        for number in range(SHARDS):
            shard = folder / str(number)
            shard.mkdir()
            (folder / "lists" / f"{number}.json").rename(shard / "videos.json")
            for stage, jobs in used.items():
                jobs.append(run_stage(stage, shard))
            for pack in (*shard.glob("*.h5"), *shard.glob("cache/*.h5")):
                pack.unlink()  # the disk need not hold all at once
    return {
        stage: {"MiB": max(mib for mib, _ in jobs), "CPU s": sum(s for _, s in jobs)}
        for stage, jobs in used.items()
    }


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    parser = argparse.ArgumentParser(description="Measure memory and time of many soundtracks.")
    parser.add_argument("files", nargs="?", type=int, default=20_000, help="how many, 20000")
    n_files = parser.parse_args().files
    result: dict[str, float] = {"files": n_files, "shards": SHARDS}
    few, many = measure(n_files // 10), measure(n_files)
    for stage in STAGES:
        result[f"{stage}, MiB, a tenth of the files"] = round(few[stage]["MiB"])
        result[f"{stage}, MiB"] = round(many[stage]["MiB"])
        marginal = (many[stage]["CPU s"] - few[stage]["CPU s"]) / (n_files - n_files // 10)
        result[f"{stage}, CPU ms a file"] = round(1000 * marginal, 2)
    result["CPU seconds of all jobs"] = round(sum(used["CPU s"] for used in many.values()))
    write_result("audio_image_memory", result, "numpy", "torch", "h5py", "av")


if __name__ == "__main__":
    main()
