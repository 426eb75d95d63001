"""Damaged and strange HDF5 files, as sound that comes from outside and as packs of our own."""

import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest
from fuzz_children import Limits, check, read_all
from media_files import make_video
from mutations import mutate

from avlib.io.packs import FrameStore, WaveformStore
from avlib.io.tables import read_table
from avlib.media.frame_packs import FramePackSettings, pack_frames
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video

N_FILES = 300
SEED = 7
RATE_HZ, RATE_FPS = 16_000, 8
CLIP = "clip.mp4"  # beside the damaged files
NAME = "clip"  # of the data set
SAMPLES = np.sin(np.arange(4000) / 9).astype(np.float32)


def make_sources(folder: Path) -> list[Path]:
    """Write waveforms in the layouts that HDF5 has, in files of its old and its new format."""
    layouts = {
        "plain": {},
        "int16": {"dtype": np.int16},
        "float64": {"dtype": np.float64},
        "big_endian": {"dtype": ">f4"},
        "chunks": {"chunks": (512,)},
        "deflate": {"chunks": (512,), "compression": "gzip", "shuffle": True},
        "checksums": {"chunks": (512,), "fletcher32": True},
        "lzf": {"chunks": (4000,), "compression": "lzf", "scaleoffset": None},
        "growing": {"chunks": (512,), "maxshape": (None,)},
    }
    paths = []
    for number, (name, options) in enumerate(layouts.items()):
        paths.append(folder / f"{name}.h5")
        with h5py.File(paths[-1], "w", libver="latest" if number % 2 else "earliest") as file:
            file.attrs["rate_hz"] = RATE_HZ
            samples = SAMPLES * (32_767 if name == "int16" else 1)
            dtype = options.pop("dtype", np.float32)
            file.create_dataset(NAME, data=samples.astype(dtype), **options)
            file[NAME].attrs["key"] = "a" * 40
    return paths


def strange_files(folder: Path) -> list[Path]:
    """Write files without damage that hold something else than a waveform of that name."""
    text, any_length = h5py.string_dtype(), h5py.vlen_dtype(np.float32)
    shapes = [(), (0,), (40, 2), (40, 2, 2), (2**42,), (2**20, 2**20)]
    dtypes = ["f2", "i1", "u2", "i4", "i8", "c8", "?", "S4", text, any_length, h5py.ref_dtype]
    dtypes += [np.dtype([("a", "f4"), ("b", "i2")]), np.dtype(("f4", (3,))), "V8"]
    dtypes += [h5py.enum_dtype({"a": 1, "b": 2}, "i1")]
    rates = [0, -1, np.nan, "16000", [16_000], [16_000] * 2, np.float32(16_000), h5py.Empty("f4")]
    rates += [b"\xff", np.zeros((0,), "i4"), 2**63, True, 16_000.5]
    paths = []

    def add():
        paths.append(folder / f"strange{len(paths)}.h5")
        return h5py.File(paths[-1], "w")

    for shape in shapes:
        with add() as file:
            chunks = (
                (min(shape[0], 2**20),) + shape[1:-1] + (1,) * (len(shape) > 1) if shape else None
            )
            file.create_dataset(NAME, shape, np.float32, chunks=chunks if shape != (0,) else None)
    for dtype in dtypes:
        with add() as file:
            file.create_dataset(NAME, (40,), dtype)
    for rate in rates:
        with add() as file:
            file[NAME] = SAMPLES
            file[NAME].attrs["rate_hz"] = rate
    for target in (h5py.SoftLink(f"/{NAME}"), h5py.ExternalLink("/dev/zero", "/x")):
        with add() as file:
            file[NAME] = target
    with add() as file:
        file.create_group(NAME)[NAME] = SAMPLES
    with add() as file:
        file[NAME] = np.dtype("f4")
    with add() as file:
        file.create_dataset(NAME, (40,), "f4", external=[("/dev/zero", 0, 160)])
    with add() as file:
        layout = h5py.VirtualLayout((40,), "f4")
        layout[:] = h5py.VirtualSource("/dev/zero", "x", (40,))
        file.create_virtual_dataset(NAME, layout)
    with add() as file:
        file.create_dataset(NAME, data=np.full(40, np.nan, "f4"))
    with add() as file:
        file.create_dataset(NAME, shape=None, dtype="f4")
    return paths


def use_as_source(path: Path) -> str | None:
    """Take the waveform of an HDF5 file for the audio of a video."""
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        status, message = _pack(path.parent / CLIP, path, folder)
        assert "\n" not in message
        assert message or status == "ok"
        if status != "ok":
            return status
        with WaveformStore([folder / "audio.h5"], sample_rate=RATE_HZ) as store:
            waveform = store.read(NAME, 0, 2**40)
            assert len(waveform) == store.n_samples(NAME) <= 100 * len(SAMPLES)
            assert np.isfinite(waveform).all()
            assert np.abs(waveform).max(initial=0) <= 2
    return None


def use_as_previous(path: Path) -> str | None:
    """Take what is still right from the copy of the last packs, and make the rest again."""
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        for kept in path.parent.glob("kept*"):
            shutil.copyfile(kept, folder / kept.name.replace("kept", "previous"))
        target = "previous_frames.h5" if "frames" in path.name else "previous.h5"
        shutil.copyfile(path, folder / target)
        status, message = _pack(path.parent / CLIP, None, folder)
        assert status == "ok", message
        with WaveformStore([folder / "audio.h5"], sample_rate=RATE_HZ) as store:
            assert store.n_samples(NAME) > RATE_HZ
        with FrameStore([folder / "frames.h5"], rate_fps=RATE_FPS) as store:
            assert store.n_frames(NAME) > RATE_FPS
    return None


def use_as_pack(path: Path) -> None:
    """Read a pack of the results as extraction and training do; the error names the file."""
    if "frames" in path.name:
        with FrameStore([path], rate_fps=RATE_FPS) as store:
            if NAME in store and store.n_frames(NAME):
                store.read(NAME, [0, 5])
    else:
        with WaveformStore([path], sample_rate=RATE_HZ) as store:
            if NAME in store:
                store.read(NAME, 0, store.n_samples(NAME))
                store.origin(NAME)


def _pack(video: Path, sound: Path | None, folder: Path) -> tuple[str, str]:
    """Run the stages that read and write HDF5 files; return status and message."""
    videos = [Video(NAME, "test", str(video), str(sound) if sound else None)]
    scan(videos, shards=1, folder=folder)
    probe_shard(folder / "0.json", folder / "probe.parquet")
    pack_waveforms(
        videos=folder / "0.json",
        manifest=folder / "probe.parquet",
        settings=SoundSettings(RATE_HZ, "ffmpeg"),
        previous=folder / "previous.h5",
        pack_target=folder / "audio.h5",
        manifest_target=folder / "manifest.parquet",
    )
    if sound is None:
        pack_frames(
            videos=folder / "0.json",
            manifest=folder / "manifest.parquet",
            settings=FramePackSettings(RATE_FPS, 16),
            previous=folder / "previous_frames.h5",
            pack_target=folder / "frames.h5",
        )
    row = read_table(folder / "manifest.parquet", MANIFEST).iloc[0]
    return row["status"], row["message"]


def _damaged(sources: list[Path], folder: Path, number: int) -> list[Path]:
    """Write damaged copies of files, most of them in the first bytes, which describe the rest."""
    chance = random.Random(SEED)
    contents = [path.read_bytes() for path in sources]
    paths = []
    for place in range(number):
        source = place % len(sources)
        end = chance.choice((64, 1024, 4096, len(contents[source])))
        content = contents[source]
        content = mutate(content[:end], contents, chance) + content[end:]
        paths.append(folder / f"{place}_{sources[source].name}")
        paths[-1].write_bytes(content)
    return paths


@pytest.fixture
def folder(tmp_path):
    """A folder with a video, and a folder for sources."""
    (tmp_path / "sources").mkdir()
    make_video(tmp_path / CLIP, duration_s=1.5)
    return tmp_path


def read_files(name: str, files: list[Path], reader: str, record_property) -> None:
    check(read_all(name, files, f"fuzz.test_hdf5:{reader}", Limits(file_s=60)), record_property)


@pytest.mark.slow
def test_strange_sources_are_used_or_left_out(folder, record_property):
    read_files("strange HDF5 sources", strange_files(folder), "use_as_source", record_property)


@pytest.mark.slow
def test_damaged_sources_are_used_or_left_out(folder, record_property):
    files = _damaged(make_sources(folder / "sources"), folder, N_FILES // 2)
    read_files("damaged HDF5 sources", files, "use_as_source", record_property)


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["use_as_previous", "use_as_pack"])
def test_damaged_packs_are_made_again_or_named(folder, record_property, reader):
    _pack(folder / CLIP, None, folder / "sources")
    packs = [folder / "sources" / name for name in ("audio.h5", "frames.h5")]
    for kept in (folder / "sources").glob("previous*"):
        shutil.copyfile(kept, folder / kept.name.replace("previous", "kept"))
    files = _damaged(packs, folder, N_FILES // 4)
    read_files(f"packs ({reader})", files, reader, record_property)
