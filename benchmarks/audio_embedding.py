"""Embedding of clips' sounds by CLAP and WavCaps: one clip at a time as published, and the stage.

.venv/bin/python benchmarks/audio_embedding.py

The published way is built anew here from its descriptions: resampy's loops, the Fourier transform
as a convolution, and the blocks of HTSAT step by step. It is given samples; the stage reads packs.
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import h5py
import numba
import numpy as np
import pandas as pd
import torch
import torchaudio
from measure import best_cpu_seconds, describe, write_result
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from avlib.datasets.tables import CAPTIONED_CLIPS
from avlib.extractors.clap import log_mel as clap_mel
from avlib.extractors.clap.clips import ClapClipSettings, ClapSounds
from avlib.extractors.clap.network import HTSAT_TINY
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.embedding import ClipFiles, embed_clips
from avlib.extractors.htsat_tower import HtsatTower
from avlib.extractors.kaiser_resample import BETA, ROLL_OFF, STEPS, ZERO_CROSSINGS
from avlib.extractors.structure import own_settings
from avlib.extractors.wavcaps import log_mel as ase_mel
from avlib.extractors.wavcaps.encoder import AseSettings, AseSounds
from avlib.extractors.wavcaps.network import HTSAT_BERT
from avlib.extractors.wavcaps.weights import untrained_ase
from avlib.io.embeddings import read_embeddings
from avlib.io.tables import write_table
from avlib.io.weights import save_weights
from avlib.media.tables import MANIFEST
from avlib.seeds import generator

RATE, MEDIAN_S, SPREAD = 48_000, 1.96, 1.123  # of lengths as in the test table of EPIC-KITCHENS
SHORTEST_S, CROP_SEED = 0.5, 0
TOLERANCE = 1e-5  # of embeddings of length 1
SETTINGS = {"seed": 0, "device": "cpu", "crop_seeds": (CROP_SEED,)}


def clip_lengths(count: int) -> list[float]:
    """Return seconds: median 1.96, mean 3.7, 7 % above ten, as far as `count` allows."""
    normal = NormalDist(math.log(MEDIAN_S), SPREAD)
    places = ((i + 0.5) / count for i in range(count))
    return [max(SHORTEST_S, round(math.exp(normal.inv_cdf(p)), 2)) for p in places]


@numba.njit  # type: ignore[untyped-decorator]
def _resample(x: Any, y: Any, window: Any, slope: Any, steps: int, ratio: float) -> None:
    """Add up what is heard around each new sample, as resampy's loops do."""
    scale = min(1.0, ratio)
    step = int(scale * steps)
    for t in range(len(y)):
        time = t / ratio
        n = int(time)
        distance = scale * (time - n)
        for direction in (-1, 1):
            offset = int(distance * steps)
            eta = distance * steps - offset
            first, available = (n, n + 1) if direction < 0 else (n + 1, len(x) - n - 1)
            for i in range(min(available, (len(window) - offset) // step)):
                entry = offset + i * step
                y[t] += (window[entry] + eta * slope[entry]) * x[first + direction * i]
            distance = scale - distance


class PublishedAse:
    """The front end of ASE as published."""

    def __init__(self) -> None:
        n = ZERO_CROSSINGS * STEPS
        sinc = ROLL_OFF * np.sinc(ROLL_OFF * np.linspace(0, ZERO_CROSSINGS, n + 1))
        self.window = sinc * np.kaiser(2 * n + 1, BETA)[n:] * (2 / 3)
        self.slope = np.diff(self.window, append=self.window[-1])
        angle = 2 * math.pi * torch.arange(513).double()[:, None] * torch.arange(1024) / 1024
        hann = torch.hann_window(1024).double()
        self.real, self.imaginary = (
            (kernel * hann).float()[:, None] for kernel in (angle.cos(), -angle.sin())
        )
        bounds = (ase_mel.LOWEST_HZ, ase_mel.HIGHEST_HZ, 64, 32_000)
        self.filters = torchaudio.functional.melscale_fbanks(513, *bounds, "slaney", "slaney")

    def __call__(self, clip: np.ndarray, event_id: str) -> Tensor:
        """Return the log-mel (1, 1001, 64) of a clip."""
        sound = np.zeros(len(clip) * 2 // 3, np.float32)
        _resample(clip, sound, self.window, self.slope, STEPS, 2 / 3)
        sound = np.pad(sound, (0, -(-len(clip) * 2 // 3) - len(sound)))
        longest = ase_mel.CLIP_SAMPLES
        if len(sound) > longest:
            draws = generator(CROP_SEED, "crop", event_id)
            first = int(draws.integers(len(sound) - longest, endpoint=True))
            sound = sound[first : first + longest]
        padded = torch.from_numpy(np.pad(sound, (0, longest - len(sound))))
        mirrored = F.pad(padded[None, None], (512, 512), mode="reflect")
        parts = (F.conv1d(mirrored, k, stride=320)[0] for k in (self.real, self.imaginary))
        power = sum(part**2 for part in parts).T @ self.filters
        return 10.0 * power.clamp(min=1e-10).log10()[None]


def published_clap(clip: np.ndarray, event_id: str) -> Tensor:
    """Return the log-mels (4, 1001, 64) of a clip, its spectrogram made anew as published."""
    longest = clap_mel.CLAP_SAMPLES
    sound = clip if len(clip) > longest else clap_mel.filled(clip, "repeatpad")
    bounds = {"f_min": 50, "f_max": 14_000, "n_mels": 64, "norm": None, "mel_scale": "htk"}
    transform = torchaudio.transforms.MelSpectrogram(48_000, 1024, 1024, 480, **bounds)
    bands = torchaudio.transforms.AmplitudeToDB(top_db=None)(transform(torch.from_numpy(sound))).T
    if len(bands) <= clap_mel.CLIP_FRAMES:
        return torch.stack([bands] * 4)
    draws = generator(CROP_SEED, "crop", event_id)
    starts = [int(draws.choice(places)) for places in clap_mel.chunk_ranges(len(bands))]
    size = [clap_mel.CLIP_FRAMES, 64]
    shrunk = F.interpolate(bands[None, None], size, mode="bilinear", antialias=False)[0, 0]
    return torch.stack([shrunk, *(bands[s : s + clap_mel.CLIP_FRAMES] for s in starts)])


def published_tower(model: Any, log_mels: Tensor) -> Tensor:
    """Return what HTSAT gives of one sound (1, 1 or 4, 1001, 64), step by step as published."""
    encoder, is_fused = model.audio_encoder, torch.tensor([0])
    normed = encoder.batch_norm(log_mels.transpose(1, 3)).transpose(1, 3)
    x = encoder.patch_embed(encoder.reshape_mel2img(normed), is_fused)
    side = 64
    for stage in encoder.layers:
        for block in stage.blocks:
            x = _block(block, x, side)
        if stage.downsample is not None:
            x, side = stage.downsample(x, (side, side)), side // 2
    return encoder.norm(x).mean(dim=1)


def _block(block: Any, x: Tensor, side: int) -> Tensor:
    attention, channels, n = block.attention.self, x.shape[-1], side // 8
    heads, shift = attention.num_attention_heads, block.shift_size if side > 8 else 0
    image = block.layernorm_before(x).view(side, side, channels)
    image = image.roll((-shift, -shift), (0, 1)) if shift else image
    windows = image.view(n, 8, n, 8, channels).transpose(1, 2).reshape(n * n, 64, channels)
    parts = [attention.query, attention.key, attention.value]
    weight, bias = block.merged
    qkv = F.linear(windows, weight, bias).view(n * n, 64, len(parts), heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    scores = (query * attention.attention_head_size**-0.5) @ key.transpose(-2, -1)
    table = attention.relative_position_bias_table[attention.relative_position_index.view(-1)]
    scores = scores + table.view(64, 64, -1).permute(2, 0, 1).contiguous()
    if shift:
        scores = scores + block.mask[:, None]
    heard = (scores.softmax(-1) @ value).transpose(1, 2).reshape(n * n, 64, channels)
    image = block.attention.output.dense(heard).view(n, n, 8, 8, channels).transpose(1, 2)
    image = image.reshape(side, side, channels)
    image = image.roll((shift, shift), (0, 1)) if shift else image
    x = x + image.view(1, side * side, channels)
    return x + block.output.dense(block.intermediate(block.layernorm_after(x)))


def prepare(model: Any) -> None:
    """Give the blocks what a published file holds ready: merged weights, and masks."""
    side = 64
    for stage in model.audio_encoder.layers:
        for block in stage.blocks:
            a = block.attention.self
            parts = (a.query, a.key, a.value)
            block.merged = [torch.cat([getattr(p, n) for p in parts]) for n in ("weight", "bias")]
            block.mask = block.get_attn_mask(side, side, torch.float32, "cpu")
        side //= 2


def write_inputs(folder: Path, lengths: list[float]) -> dict[str, np.ndarray]:
    """Write a pack, a manifest and a table of clips; return the samples of each clip."""
    rng = np.random.default_rng(0)
    clips = {
        f"{i:03}": rng.normal(0, 0.1, int(s * RATE)).astype(np.float32)
        for i, s in enumerate(lengths)
    }
    with h5py.File(folder / "audio.h5", "w") as pack:
        pack.attrs["rate_hz"] = RATE
        pack["v"] = np.concatenate(list(clips.values()))
    row = {"video_id": "v", "split": "test", "path": "", "status": "ok", "message": ""}
    names = [column.name for column in MANIFEST.columns]
    write_table(pd.DataFrame([row], columns=names), folder / "manifest.parquet", MANIFEST)
    stops = np.cumsum([len(clip) for clip in clips.values()])
    starts = np.concatenate([[0], stops[:-1]])
    rows = pd.DataFrame({"event_id": list(clips), "video_id": "v"})
    # Half a sample more, so that no length is cut at the sample before.
    rows = rows.assign(start_s=(starts + 0.25) / RATE, stop_s=(stops + 0.5) / RATE)
    frames = pd.array([None] * len(rows), "Int64")
    table = rows.assign(start_frame=frames, stop_frame=frames)
    write_table(table, folder / "clips.parquet", CAPTIONED_CLIPS)
    return clips


def encoder_of(name: str, files: ClipFiles) -> Any:
    """Return the encoder of ours."""
    if name == "ase":
        return AseSounds(files, AseSettings(**SETTINGS))
    return ClapSounds(files, ClapClipSettings(**SETTINGS))


def compare(
    name: str, network: Any, model: Any, front: Callable[..., Tensor], folder: Path, rounds: int
) -> dict[str, Any]:
    """Return the measurements of an encoder; its weights lie in the folder."""
    clips = write_inputs(folder, clip_lengths(CLIPS))
    prepare(model)
    files = ClipFiles(
        *([folder / "audio.h5"], [folder / "manifest.parquet"], folder / "clips.parquet"),
        checkpoint=folder / "model.safetensors",
        previous=folder / "none.h5",
        target=folder / "embeddings.h5",
        index=folder / "index.parquet",
    )
    found: dict[str, Any] = {}
    encoder = encoder_of(name, files)

    @torch.inference_mode()
    def published() -> None:
        mels = ((key, front(clip, key)) for key, clip in clips.items())
        pooled = ((key, published_tower(model, mel[None])) for key, mel in mels)
        found["published"] = {key: network.project_sounds(x)[0].numpy() for key, x in pooled}

    def stage() -> None:
        embed_clips(files, encoder)  # whose weights are read in the round that warms up
        embeddings = read_embeddings(files.target)
        found["stage"] = dict(zip(embeddings.keys, embeddings.vectors, strict=True))
        files.previous.unlink()  # it would be taken for what has not changed

    times = best_cpu_seconds({"published": published, "stage": stage}, rounds)
    pairs = [(found["published"][key], found["stage"][key]) for key in clips]
    worst = max(float(np.abs(one - other).max()) for one, other in pairs)
    if worst > TOLERANCE:
        raise SystemExit(f"{name}: the embeddings differ by {worst}")
    ms = {key: 1000 * value / len(clips) for key, value in times.items()}
    return {
        f"{name}: as published, CPU ms a clip": round(ms["published"], 1),
        f"{name}: the stage, CPU ms a clip": round(ms["stage"], 1),
        f"{name}: times the clips a second": round(ms["published"] / ms["stage"], 2),
        f"{name}: largest difference": f"{worst:.1e}",
    }


def compare_front_ends(rounds: int) -> dict[str, Any]:
    """Return what the front ends take without the networks."""
    rng, ase = np.random.default_rng(0), PublishedAse()
    lengths = clip_lengths(CLIPS)
    clips = {str(i): rng.normal(0, 0.1, int(s * RATE)).astype("f") for i, s in enumerate(lengths)}

    def starts(key: str) -> Any:
        return generator(CROP_SEED, "crop", key)

    def own_ase(clip: np.ndarray, key: str) -> None:
        draws = starts(key)
        sound = ase_mel.clip_at_rate(
            clip, "kaiser_best", lambda last: int(draws.integers(last, endpoint=True))
        )
        ase_mel.sound_mel(torch.from_numpy(sound))

    def own_clap(clip: np.ndarray, key: str) -> None:
        choose = starts(key).choice
        clap_mel.fused_mels(clip, choose, antialias=False, int16_round_trip=False)

    ways = {"ase as published": ase, "ase": own_ase}
    ways |= {"clap as published": published_clap, "clap": own_clap}

    def run(way: Callable[..., Any]) -> Callable[[], None]:
        return lambda: [way(clip, key) for key, clip in clips.items()] and None

    times = best_cpu_seconds({name: run(way) for name, way in ways.items()}, rounds)
    result: dict[str, Any] = {
        f"front end of {name}, CPU ms a clip": round(1000 * value / len(clips), 2)
        for name, value in times.items()
    }
    for name in ("ase", "clap"):
        ratio = times[f"{name} as published"] / times[name]
        result[f"front end of {name}: times the speed"] = round(ratio, 1)
    return result


PRODUCTS = {getattr(torch.ops.aten, name).default for name in ("linear", "addmm", "mm")}


class Products(TorchDispatchMode):
    """Notes the products of matrices that run in its context."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kw: Any = None) -> Any:
        """Run an operation."""
        if operation in PRODUCTS:
            self.calls.append((operation, args))
        return operation(*args, **(kw or {}))


@torch.inference_mode()
def measure_common(model: Any) -> dict[str, Any]:
    """Return what both ways must do for a clip of CLAP: linear layers, and Fourier transforms."""
    frames, mels = torch.randn(1001, 1024), torch.randn(1, 1, 1001, 64).expand(-1, 4, -1, -1)
    with Products() as products:
        HtsatTower(model)(mels, torch.tensor([True]))
    variants: dict[str, Callable[[], Any]] = {
        "clap: its linear layers alone": lambda: [run(*args) for run, args in products.calls],
        "front end of clap: its Fourier transforms alone": lambda: torch.fft.rfft(frames),
    }
    seconds = best_cpu_seconds(variants, 20)
    return {f"{name}, CPU ms a clip": round(1000 * s, 2) for name, s in seconds.items()}


CLIPS = 24


def main() -> None:
    """Measure both encoders, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    describe(__doc__)
    torch.set_num_threads(1)
    lengths = clip_lengths(CLIPS)
    over = sum(s > 10 for s in lengths)
    result: dict[str, Any] = {
        "clips": f"{CLIPS}, median {np.median(lengths):.2f} s, mean {np.mean(lengths):.2f} s, "
        f"{over} over 10 s"
    }
    result |= compare_front_ends(options.rounds)
    ase, clap = untrained_ase(HTSAT_BERT, 0), untrained_clap(HTSAT_TINY, 0)
    for name, network, model, weights, front, sizes in (
        ("ase", ase, ase.audio, ase, PublishedAse(), HTSAT_BERT),
        ("clap", clap, clap.model.audio_model, clap.model, published_clap, HTSAT_TINY),
    ):
        network.requires_grad_(False)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model.safetensors"
            save_weights(target, weights.state_dict(), own_settings(sizes))
            result |= compare(name, network, model, front, Path(folder), options.rounds)
    result |= measure_common(clap.model.audio_model)
    write_result("audio_embedding", result, "avlib", "torch", "transformers", "numba")


if __name__ == "__main__":
    main()
