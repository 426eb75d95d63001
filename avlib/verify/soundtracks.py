"""Operations of the soundtrack networks: images, lists, networks, training, fusion of scores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import torch
from torch import Tensor

from avlib.datasets import kinetics
from avlib.io.packs import Waveform
from avlib.soundtracks.blocks import BasicBlock, Bottleneck
from avlib.soundtracks.images import (
    ClipMel,
    audio_images,
    clip_borders,
    decibels,
    frame_samples,
    mono,
)
from avlib.soundtracks.mel import CLIP_S, N_FRAMES, N_MELS, Variant
from avlib.soundtracks.metrics import (
    pool_clips,
    published_labels,
    soundtrack_metrics,
    top_metrics,
)
from avlib.soundtracks.network import ResNet, published_name, soundtrack_network
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.steps import build_optimizer, top_k_share, train_step
from avlib.soundtracks.sweep import Paired, sweep, weight_grid
from avlib.training.schedules import Schedule, learning_rate
from avlib.verify.networks import Optimization, recorded, weight_list
from avlib.verify.operations import Array, Results, Settings, Weights, operation
from avlib.verify.rule import renaming

RECIPE = SOUNDTRACK_RECIPES["kinetics600"]
VARIANTS: tuple[Variant, ...] = ("librosa_0_8", "librosa_0_9")


@operation("soundtrack", "frame_samples")
def geometry(*, sample_rate: int) -> Results:
    """Return the length of a frame and the distance between two, in samples."""
    return dict(zip(("n_fft", "hop_length"), frame_samples(sample_rate), strict=True))


@operation("soundtrack", "images")
def images(waveform: Array, *, sample_rate: int, is_int16: bool = False) -> Results:
    """Return the images of a recording, (n,) or (channels, n), in both variants."""
    stored = (waveform.T * 32768).astype(np.int16) if is_int16 else waveform.T
    return _images(stored, sample_rate)


@operation("soundtrack", "images_of_file")
def images_of_file(recording: Path) -> Results:
    """Return the images of a wav file in both variants."""
    return _images(*soundfile.read(recording, dtype="int16", always_2d=True))


def _images(waveform: Waveform, sample_rate: int) -> dict[str, Any]:
    results: dict[str, Any] = {"clips": len(clip_borders(len(waveform), sample_rate)) - 1}
    for variant in VARIANTS:
        parts = audio_images(waveform, sample_rate=sample_rate, variant=variant)
        results[variant] = np.concatenate([np.empty((0, N_MELS, N_FRAMES), np.float32), *parts])
    return results


@operation("soundtrack", "clip_image")
def clip_image(waveform: Array, *, sample_rate: int, n_frames: int) -> Results:
    """Return the image of the first clip in both variants, of a rate that has no images, too."""
    clip = mono(waveform.T[: int(sample_rate * CLIP_S)])
    mels = {v: ClipMel(sample_rate, v, n_frames)(clip) for v in VARIANTS}
    return {variant: decibels(mel[None])[0] for variant, mel in mels.items()}


@operation("soundtrack", "soundtrack_order")
def soundtrack_order(videos: Sequence[tuple[str, str]]) -> Results:
    """Return [label, file] of the soundtracks of videos [label, name], as published in order."""
    files = [(label, kinetics.soundtrack_name(name)) for label, name in videos]
    return {"soundtracks": [list(files[i]) for i in kinetics.windows_order(files)]}


@operation("soundtrack", "match")
def match(videos: Path | Sequence[str], soundtracks: Path | Sequence[str]) -> Results:
    """Return the video of each soundtrack, from names or files of the published lists."""
    names = _names(videos, kinetics.read_video_list)
    found = kinetics.match_soundtracks(names, _names(soundtracks, kinetics.read_soundtrack_list))
    without = found.unmatched_videos
    kept = np.setdiff1d(np.arange(len(names)), without)
    same = int((found.video == kept).sum()) if len(kept) == len(found.video) else None
    return {
        "index": found.video,
        "videos_without": [int(i) for i in without],
        "names_without": [names[i] for i in without],
        "identity_positions": same,
    }


def _names(given: Path | Sequence[str], read: Callable[[Path], Any]) -> list[str]:
    return read(given)["name"].to_list() if isinstance(given, Path) else list(given)


@operation("soundtrack", "unmatched")
def left_out(index: Array, *, n_videos: int) -> Results:
    """Return the videos that an index of soundtracks leaves out."""
    return {"videos_without": kinetics.unmatched(index, n_videos)}


def network(
    *,
    network: str,
    num_classes: int | None = None,
    width: int | None = None,
    stem_stride: int | None = None,
    pool: str | None = None,
    dropout: float | None = None,
    in_features: int | None = None,
) -> Any:
    """Return a network by name, and as published where nothing else is given."""
    options = {name: value for name, value in locals().items() if value is not None}
    return soundtrack_network(options.pop("network"), **options)


operation("soundtrack", "state_dict", build=network)(weight_list(published_name))


@operation("soundtrack", "forward", build=network)
@torch.inference_mode()
def forward(build: Callable[[], Any], images: Tensor, weights: Weights) -> Results:
    """Return logits and pooled activations, and what averaging the whole map would change."""
    model = build().eval()
    model = weights.fill(model, renaming(model, published_name))
    names = ("layer4", "avgpool") if isinstance(model, ResNet) else ()
    with recorded({name: model.get_submodule(name) for name in names}) as outputs:
        logits = model(images)
    results = {"logits": logits, "logits_abs_max": logits.abs().max()}
    if outputs:
        pooled, layer4 = outputs["avgpool"].flatten(1), outputs["layer4"]
        change = (layer4.mean(dim=(2, 3)) - pooled).abs().max()
        results |= {"layer4": layer4, "pooled": pooled, "change_of_all_columns": change}
    return results


class MultiStep(Settings):
    """A rate that is multiplied by `gamma` at each of `milestones`, which are steps."""

    name: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: list[int]
    gamma: float
    step_after: Literal["batch"] = "batch"

    def schedule(self, rate: float) -> Schedule:
        """Return the schedule that begins with `rate`, one epoch a step."""
        steps = (0, *sorted(self.milestones))
        factors = tuple(self.gamma**i for i in range(len(steps)))
        return Schedule(rate, epochs=steps[-1] + 1, steps=steps, factors=factors)


def trained_network(
    weights: Weights,
    *,
    network: Literal["resnet"] = "resnet",
    block: Literal["basic", "bottleneck"] = "basic",
    layers: list[int],
    num_classes: int,
    dropout: None = None,
) -> ResNet:
    """Return a residual network in training; nothing but no dropout can be asked for."""
    blocks = BasicBlock if block == "basic" else Bottleneck
    model = ResNet(blocks, layers, num_classes=num_classes)
    return weights.fill(model, renaming(model, published_name)).train()


@operation("soundtrack", "train_steps", build=trained_network, optimization=Optimization)
def train_steps(
    build: Callable[[], ResNet],
    optimization: Callable[[], Optimization],
    images: Tensor,
    labels: Tensor,
    *,
    schedule: MultiStep | None = None,
    loss: Literal["cross_entropy"] = "cross_entropy",
    label_smoothing: float = 0.0,
) -> Results:
    """Return rate, loss and accuracies in percent of each step, and logits after the last one."""
    model, settings = build(), optimization()
    kind: Literal["sgd", "adamw"] = "sgd" if settings.optimizer.name == "SGD" else "adamw"
    lr = settings.optimizer.lr
    rates = schedule.schedule(lr) if schedule else Schedule(lr, epochs=1)
    built = build_optimizer(model, replace(RECIPE, optimizer=kind, schedule=rates))
    results = settings.configure(model, built)
    settings.clip_before_steps(built)
    rows = []
    for step, (x, y) in enumerate(zip(images, labels.long(), strict=True)):
        rate = learning_rate(float(step), rates)
        for group in built.param_groups:
            group["lr"] = rate
        value, logits = train_step(model, built, x, y, label_smoothing=label_smoothing)
        rows.append([rate, value, *(100 * top_k_share(logits, y, k) for k in (1, 5))])
    columns = np.array(rows).reshape(-1, 4).T
    results |= dict(zip(("learning_rate", "loss", "top1", "top5"), columns, strict=True))
    with torch.inference_mode():
        results["final_logits"] = model.eval()(images[0])
    published = RECIPE.schedule
    factors = [factor * published.base_rate for factor in published.factors]
    return results | {"published_steps": published.steps, "published_rates": factors}


@operation("soundtrack", "pooled_scores")
def pooled_scores(clips: Array, labels: Array, clip_scores: Array) -> Results:
    """Return the scores of soundtracks from those of their clips, and how many are right."""
    scores = pool_clips(clip_scores, clips)
    found = soundtrack_metrics(scores, labels, clips)["reference"]
    counted = published_labels(labels, clips)
    return {"scores": scores, "labels": counted, "top1": found["top1"], "top5": found["top5"]}


@operation("soundtrack", "sweep")
def sweep_weights(
    audio: Array, video: Array, labels: Any, *, weights: int, denominator: int = 1000
) -> Results:
    """Return weight, top-1, top-5 and their mean at each weight, and at the best one."""
    numbers = np.asarray(labels, dtype=np.int64)
    pairs = Paired(audio, video, numbers)
    result = sweep(pairs, weight_grid(stop=weights - 1, denominator=denominator))
    best = result.rows()[result.best()]
    fused = top_metrics(pairs.fused(float(best[0])), numbers)
    return {"rows": result.rows(), "best": best, "fused_at_best": [fused["top1"], fused["top5"]]}
