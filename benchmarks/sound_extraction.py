"""Audio extraction: one ffmpeg process per clip, as published, against the packing stage.

.venv/bin/python benchmarks/sound_extraction.py
"""

import argparse
import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import av
from av.stream import Discard
from measure import best_cpu_seconds, describe, write_result

from avlib.media import ffmpeg
from avlib.media.decode import FIFO_SAMPLES
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.videos import folder_videos

SAMPLE_RATE, CLIPS, ROUNDS = 16_000, 64, 8


def make_clips(folder: Path) -> list[Path]:
    """Render clips as YouTube gives them: H.264 at 30 fps, AAC in stereo at 44.1 kHz."""
    folder.mkdir()
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin"]
    paths = [folder / f"{number:02}.mp4" for number in range(CLIPS)]
    for number, path in enumerate(paths):
        picture = "testsrc2=s=340x256:r=30:d=10"
        sound = "anoisesrc=r=44100:d=10:a=0.2:c=pink:seed="
        mix = f"{sound}{number}[l];{sound}{number + CLIPS}[r];[l][r]amerge=inputs=2"
        inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", mix]
        codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "128k"]
        subprocess.run([*quiet, *inputs, *codecs, path], check=True)
    return paths


def one_process_a_clip(command: str, paths: list[Path], folder: Path) -> None:
    """Write a wav file a clip, as the published extraction scripts do."""
    for path in paths:
        source = [command, "-loglevel", "error", "-nostdin", "-y", "-i", path]
        sound = ["-vn", "-acodec", "pcm_s16le", "-ac", "1", "-ar", str(SAMPLE_RATE)]
        subprocess.run([*source, *sound, folder / f"{path.stem}.wav"], check=True)


def libraries_alone(paths: list[Path]) -> None:
    """Open, decode and resample in process, and throw the samples away: what no code can save."""
    for path in paths:
        fifo = av.AudioFifo()
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        with av.open(str(path)) as container:
            container.streams.video[0].discard = Discard.all
            for frame in container.decode(audio=0):
                fifo.write(frame)
                if fifo.samples >= FIFO_SAMPLES:
                    resampler.resample(fifo.read())
        resampler.resample(fifo.read())


def pack_clips(path_variable: str, folder: Path) -> None:
    """Write one pack of all clips, as the workflow does with an ffmpeg on the PATH or none."""
    os.environ["PATH"] = path_variable
    ffmpeg.binary.cache_clear()
    pack_waveforms(
        videos=folder / "0.json",
        manifest=folder / "probed.parquet",
        settings=SoundSettings(SAMPLE_RATE, "ffmpeg"),
        previous=folder / "none.h5",
        pack_target=folder / "pack.h5",
        manifest_target=folder / "manifest.parquet",
    )
    (folder / "none.h5").unlink()  # it would be taken for what has not changed


def main() -> None:
    """Print and write the CPU time of a clip in each way."""
    describe(__doc__)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ffmpeg", help="another ffmpeg, named ffmpeg, to have on the PATH")
    other = parser.parse_args().ffmpeg
    os.environ["PATH"] = ""  # the library takes the ffmpeg of the Python packages
    path_variables = {ffmpeg.binary(): ""} | ({other: str(Path(other).parent)} if other else {})
    releases = {command: f"ffmpeg {ffmpeg.version(command)}" for command in path_variables}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_clips(folder / "clips")
        scan(folder_videos(folder / "clips", "test"), shards=1, folder=folder)
        probe_shard(folder / "0.json", folder / "probed.parquet")
        variants = {"FFmpeg's libraries alone, in process": partial(libraries_alone, paths)}
        for command, release in releases.items():
            variants |= {
                f"a process of {release} a clip": partial(
                    one_process_a_clip, command, paths, folder
                ),
                f"avlib with {release}": partial(pack_clips, path_variables[command], folder),
            }
        best = best_cpu_seconds(variants, ROUNDS)
    result = {f"{name}, CPU ms a clip": round(1000 * s / len(paths), 2) for name, s in best.items()}
    result |= {
        f"times the throughput with {release}": round(
            best[f"a process of {release} a clip"] / best[f"avlib with {release}"], 2
        )
        for release in releases.values()
    }
    result["clips"] = f"{len(paths)} of 10 s, AAC stereo at 44.1 kHz, to mono at 16 kHz"
    write_result("sound_extraction", result, "avlib", "av", "imageio-ffmpeg")


if __name__ == "__main__":
    main()
