"""Media files for tests, made on the spot by the ffmpeg of the Python packages.

The library may take another one, from the PATH; the files are the same with any.
"""

import subprocess
from pathlib import Path

import imageio_ffmpeg

LAYOUTS = {
    1: "mono|c0=0.5*c0+0.6*c1",
    2: "stereo|c0=c0+0.2*c1|c1=0.3*c0+0.9*c1",
    6: "5.1|c0=c0|c1=c1|c2=0.5*c0|c3=0.2*c1|c4=0.3*c0|c5=0.1*c1",
}


def run_ffmpeg(*arguments: str | Path) -> None:
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-nostdin",
        "-y",
        *map(str, arguments),
    ]
    subprocess.run(command, check=True)


def make_video(
    path: Path,
    *,
    duration_s: float = 2.0,
    channels: int = 2,
    sample_rate: int = 44_100,
    audio_codec: str | None = "aac",
    video_codec: str = "mpeg4",
    fps: str = "25",
    options: tuple[str, ...] = (),
) -> Path:
    """Write a test picture with a tone and noise; no sound without an audio codec."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = f"testsrc2=s=64x48:r={fps}:d={duration_s}"
    if audio_codec is None:
        run_ffmpeg("-f", "lavfi", "-i", picture, "-c:v", video_codec, *options, path)
        return path
    tone = f"sine=f=440:r={sample_rate}:d={duration_s},aformat=sample_rates={sample_rate}"
    noise = f"anoisesrc=r={sample_rate}:d={duration_s}:a=0.3:seed=3"
    mix = f"[1][2]amerge=inputs=2,pan={LAYOUTS[channels]}[a]"
    inputs = [part for source in (picture, tone, noise) for part in ("-f", "lavfi", "-i", source)]
    maps = ["-filter_complex", mix, "-map", "0:v", "-map", "[a]"]
    codecs = ["-c:v", video_codec, "-c:a", audio_codec]
    run_ffmpeg(*inputs, *maps, *codecs, *options, path)
    return path


def cut_off(path: Path, target: Path, fraction: float) -> Path:
    """Write the first part of a file."""
    content = path.read_bytes()
    target.write_bytes(content[: int(fraction * len(content))])
    return target


def damage(path: Path) -> Path:
    """Fill a part in the middle of a file with zeros."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    return path
