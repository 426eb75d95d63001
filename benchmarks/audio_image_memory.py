"""Memory and time of a shard of 2,500 soundtracks against a tenth of them, to audio images.

A few wav files of 1.2 s, 44.1 kHz, one or two channels, go by many names. As in the workflow each
stage of a shard is a process of its own. What a job needs should not grow with the files of its
shard, apart from what HDF5 remembers of the data sets of an open pack, which it limits to 32 MiB.

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

RATE, FILES, RECORDINGS = 44_100, 2500, 8
SECONDS = (1.1, 1.3)  # of the shortest and the longest recording

# The workflow's scripts, with the paths of a shard as arguments.
STAGES = {
    "probe": """
from avlib.media.probe import probe_shard
probe_shard(shard / "0.json", shard / "probe.parquet")
""",
    "sound packs": """
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
pack_waveforms(
    videos=shard / "0.json",
    manifest=shard / "probe.parquet",
    settings=SoundSettings(44_100, "ffmpeg", "own"),
    previous=shard / "cache" / "sound.h5",
    pack_target=shard / "sound.h5",
    manifest_target=shard / "sound.parquet",
)
""",
    "audio images": """
from avlib.soundtracks.image_packs import ImageShardFiles, pack_audio_images
from avlib.soundtracks.mel import Mel
files = ImageShardFiles(
    manifest=shard / "sound.parquet",
    sounds=shard / "sound.h5",
    previous=shard / "cache" / "images.h5",
    pack=shard / "images.h5",
    index=shard / "images.parquet",
)
pack_audio_images(files, mel=Mel())
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


def measure(n_files: int) -> dict[str, tuple[float, float]]:
    """Return memory in MiB and CPU seconds of each stage of a shard of so many files."""
    with tempfile.TemporaryDirectory() as name:
        shard = Path(name)
        scan(make_sounds(shard / "sounds", n_files), shards=1, folder=shard)
        return {stage: run_stage(stage, shard) for stage in STAGES}


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    parser = argparse.ArgumentParser(description="Measure memory and time of many soundtracks.")
    parser.add_argument("files", nargs="?", type=int, default=FILES, help=f"how many, {FILES}")
    n_files = parser.parse_args().files
    few, many = measure(n_files // 10), measure(n_files)
    result: dict[str, float] = {"files": n_files}
    for stage, (mib, seconds) in many.items():
        result[f"{stage}, MiB, a tenth of the files"] = round(few[stage][0])
        result[f"{stage}, MiB"] = round(mib)
        marginal = (seconds - few[stage][1]) / (n_files - n_files // 10)
        result[f"{stage}, CPU ms a file"] = round(1000 * marginal, 2)
    write_result("audio_image_memory", result, "numpy", "torch", "h5py", "av")


if __name__ == "__main__":
    main()
