"""Every kind of writer, each given more than a small disk holds: what it says, as JSON."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from avlib.datasets.miniature.mp4 import write_mp4
from avlib.errors import StorageError
from avlib.extractors.extraction import Journal, write_npy
from avlib.io.arrays import write_arrays
from avlib.io.atomic import atomic_folder, atomic_path, keep_copy, write_json
from avlib.io.packs import write_waveform
from avlib.io.pickles import write_table_pickle
from avlib.io.tables import Column, TableSchema, write_table
from avlib.io.weights import save_weights
from avlib.media.ffmpeg import binary, cut_clip, write_jpeg_frames
from avlib.report.svg import svg_figure
from avlib.training.state import Progress, save_state

MANY = 1 << 20  # numbers, of four bytes and more; a small disk has 1 MiB
NOISE = np.random.default_rng(0).integers(1, 1 << 60, MANY)
LIMIT = 1 << 20


def write_pack(target):
    blocks = iter(np.split(NOISE.astype(np.float32), 8))
    with atomic_path(target) as partial, h5py.File(partial, "w") as pack:
        write_waveform(pack, "a", (MANY,), blocks)


def write_state(target):
    network = torch.nn.Linear(MANY, 1)
    save_state(
        target.parent, target.name, network, torch.optim.SGD(network.parameters()), Progress()
    )


def write_folder(target):
    with atomic_folder(target) as partial:
        for number in range(40):
            np.save(partial / f"{number}.npy", NOISE[: MANY // 16])
        np.save(partial / "large.npy", NOISE)


def write_figure(target):
    with svg_figure(target, 3) as figure:
        figure.subplots().plot(NOISE[:40_000] % 97, NOISE[-40_000:] % 89, "o")


def write_journal(target):
    journal = Journal(target)
    for number in range(MANY):
        journal.add({"path": str(number), "key": "x" * 200_000})


def write_video(target):
    pictures = (NOISE.reshape(-1) % 256).astype(np.uint8)[: 60 * 72 * 80 * 3]
    write_mp4(target, np.resize(pictures, (600, 72, 80, 3)), 25, None, 48_000)


def table(target):
    schema = TableSchema("numbers", "", (Column("n", pa.int64(), "", nullable=False),))
    write_table(pd.DataFrame({"n": NOISE}), target, schema)


def writers(source, video):
    return {
        "x.json": lambda path: write_json(path, NOISE.tolist()),
        "x.parquet": table,
        "x.npz": lambda path: write_arrays({"a": NOISE}, path),
        "x.npy": lambda path: write_npy(path, (MANY,), iter([NOISE.astype(np.float32)])),
        "x.safetensors": lambda path: save_weights(path, {"a": torch.from_numpy(NOISE)}, {}),
        "state": write_state,
        "x.h5": write_pack,
        "x.pkl": lambda path: write_table_pickle(pd.DataFrame({"n": NOISE}), path),
        "folder": write_folder,
        "copy.h5": lambda path: keep_copy(source, path),
        "x.svg": write_figure,
        "x.jsonl": write_journal,
        "rendered.mp4": write_video,
        "clip.mp4": lambda path: cut_clip(video, path, start_s=0, duration_s=20),
        "frames": lambda path: (path.mkdir(), write_jpeg_frames(video, path)),
    }


def main(folder: Path, elsewhere: Path, is_limited: bool) -> None:
    source, video = elsewhere / "source.h5", elsewhere / "noise.avi"
    source.write_bytes(NOISE.tobytes())
    noise = "testsrc2=d=3:s=320x240,noise=alls=100:allf=t"
    command = [binary(), "-v", "error", "-y", "-f", "lavfi", "-i", noise, "-q:v", "3", str(video)]
    subprocess.run(command, check=True)
    if is_limited:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    said = {}
    for name, write in writers(source, video).items():
        try:
            write(folder / name)
            said[name] = ["wrote", ""]
        except StorageError as error:
            said[name] = ["StorageError", str(error)]
        except Exception as error:
            said[name] = [type(error).__name__, str(error)]
        left = [path for path in folder.rglob("*") if path.name.endswith(".part")]
        said[name].append([str(path) for path in left])
        subprocess.run(["rm", "-rf", *map(str, folder.iterdir())], check=True)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "limited")
