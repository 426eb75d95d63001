"""Sound extraction: one ffmpeg process a clip, as published, against decoding in process.

python benchmarks/sound_extraction.py
"""

import argparse
import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import h5py
from measure import best_cpu_seconds, write_result

from avlib.media import ffmpeg
from avlib.media.sound import SoundSettings, pack_sound

SAMPLE_RATE, CLIPS, ROUNDS = 16_000, 20, 5


def make_clips(folder: Path) -> list[Path]:
    """Render clips as YouTube gives them: H.264 at 30 fps, AAC in stereo at 44.1 kHz."""
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


def in_process(paths: list[Path], folder: Path) -> None:
    """Write one pack of all clips."""
    with h5py.File(folder / "pack.h5", "w") as pack:
        for path in paths:
            pack_sound(pack, path.stem, path, SoundSettings(SAMPLE_RATE, "ffmpeg"))


def main() -> None:
    """Print and write the CPU time of a clip in each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ffmpeg", help="another ffmpeg to compare with")
    other = parser.parse_args().ffmpeg
    os.environ["PATH"] = ""  # the library takes the ffmpeg of the Python packages
    commands = [ffmpeg.binary(), *([other] if other else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_clips(folder)
        variants = {
            f"one process of ffmpeg {ffmpeg.version(command)}": partial(
                one_process_a_clip, command, paths, folder
            )
            for command in commands
        }
        variants["avlib"] = partial(in_process, paths, folder)
        best = best_cpu_seconds(variants, ROUNDS)
    result = {f"{name}, CPU ms a clip": round(1000 * s / len(paths), 2) for name, s in best.items()}
    for name in list(best)[:-1]:
        result[f"times the throughput of {name}"] = round(best[name] / best["avlib"], 2)
    result["clips"] = f"{len(paths)} of 10 s, AAC stereo at 44.1 kHz, to mono at 16 kHz"
    write_result("sound_extraction", result, "avlib", "av", "imageio-ffmpeg")


if __name__ == "__main__":
    main()
