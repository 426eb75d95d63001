"""Operations of Auditory SlowFast: from the recording to features, and the training of weights."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.arrange import arrange as arrange_features
from avlib.extractors.arrange import rows_by_video
from avlib.extractors.auditory_slowfast.batch_norm import (
    batch_norms,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.batch_norm import freeze_batch_norm as freeze_norms
from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels, log_mel, pad_frames
from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    fold_batch_norm,
    pack_pathways,
    slow_frame_indices,
)
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.extractors.intervals import PUBLISHED_COLUMNS, interval_rows, interval_samples
from avlib.media.resample import resample_mono
from avlib.training.schedules import learning_rate, schedule_from_solver
from avlib.training.spec_augment import frequency_mask, time_mask, time_warp, warp_flow
from avlib.verify.networks import Optimization, recorded, weight_list
from avlib.verify.operations import Array, Numerics, Results, Settings, Weights, operation

BLOCK_SAMPLES = 1 << 14  # of the parts in which a recording is resampled


def network(*, num_classes: list[int], width: int = 64) -> AuditorySlowFast:
    """Return the network, of one head or two, without dropout."""
    return AuditorySlowFast(num_classes=num_classes, width=width, dropout=0.0)


operation("auditory_slowfast", "state_dict", build=network)(weight_list())


@operation("auditory_slowfast", "forward", build=network)
def forward(build: Callable[[], AuditorySlowFast], log_mel: Tensor, weights: Weights) -> Results:
    """Return features, scores and inner stages, and those of the copy with folded batch norms."""
    return _forward(weights.fill(build().eval()), log_mel)


def stored_recording(waveform: Array, *, sound_rate: int, sample_rate: int) -> Array:
    """Return a sound, (n,) or (channels, n), as it is stored for extraction."""
    channels = np.atleast_2d(waveform).T
    blocks = (channels[i : i + BLOCK_SAMPLES] for i in range(0, len(channels), BLOCK_SAMPLES))
    return np.concatenate(list(resample_mono(blocks, sound_rate, sample_rate)))


def viewed_slices(
    *, sample_rate: int, intervals: list[list[float]], views: int = 1, view: int = 0
) -> list[tuple[int, int]]:
    """Return where a view of intervals [start, stop] is cut, in samples."""
    return [view_slices(*s, sample_rate=sample_rate, views=views)[view] for s in intervals]


@operation(
    *("auditory_slowfast", "sound_features"),
    build=network,
    recording=stored_recording,
    slices=viewed_slices,
)
def sound_features(
    build: Callable[[], AuditorySlowFast],
    recording: Callable[[], Array],
    slices: Callable[[], list[tuple[int, int]]],
    numerics: Numerics,
    weights: Weights,
    *,
    sample_rate: int,
) -> Results:
    """Return what `forward` does, of a view of intervals of a recording."""
    log_mels = interval_log_mels(recording(), slices(), sample_rate=sample_rate)[:, None]
    return _forward(weights.fill(build().eval()), numerics.tensor(log_mels))


@torch.inference_mode()
def _forward(model: AuditorySlowFast, x: Tensor) -> Results:
    modules = {name: module for name, module in model.named_children() if name != "head"}
    with recorded(modules) as stages:
        results = _outputs(model, x)
    for name, (slow, fast) in stages.items():
        results |= {f"{name}/slow": slow, f"{name}/fast": fast}
    folded = _outputs(fold_batch_norm(model), x)
    return results | {f"folded/{name}": result for name, result in folded.items()}


def _outputs(model: AuditorySlowFast, x: Tensor) -> dict[str, Any]:
    """Return features, and scores of all heads side by side and of each of two heads."""
    features = model.features(x)
    logits = dict(zip(model.head.names, model.head(features), strict=True))
    results = {"features": features, "logits": torch.cat(list(logits.values()), dim=-1)}
    results["probs"] = torch.cat([x.softmax(dim=-1) for x in logits.values()], dim=-1)
    for name, scores in logits.items() if len(logits) > 1 else ():
        head = name.removeprefix("projection_")
        results |= {f"logits/{head}": scores, f"probs/{head}": scores.softmax(dim=-1)}
    return results


@operation("auditory_slowfast", "log_mel", recording=stored_recording)
def interval_log_mel(
    recording: Callable[[], Array],
    numerics: Numerics,
    *,
    sample_rate: int,
    start_s: float,
    stop_s: float,
    views: int = 1,
    view: int = 0,
) -> Results:
    """Return where an interval is cut, and its spectrogram by both ways to compute it."""
    stored = recording()
    cut = view_slices(start_s, stop_s, sample_rate=sample_rate, views=views)[view]
    device = numerics.device
    plain = log_mel(torch.from_numpy(stored[slice(*cut)]), sample_rate=sample_rate)
    return {
        "waveform": stored,
        "samples": interval_samples(start_s, stop_s, sample_rate=sample_rate),
        "slice": list(cut),
        "log_mel": interval_log_mels(stored, [cut], sample_rate=sample_rate, device=device)[0],
        "log_mel_of_slice": pad_frames(plain),
    }


@operation("auditory_slowfast", "packing")
def packing(*, frames: int, alpha: int) -> Results:
    """Return the frames of both pathways, as their numbers; a slow one is `alpha` fast ones."""
    x = torch.arange(frames, dtype=torch.float32)[None, None, :, None]
    slow, fast = pack_pathways(x, alpha)
    indices = slow_frame_indices(frames, alpha)
    return {"slow_indices": indices, "slow": slow.flatten(), "fast": fast.flatten()}


@operation("auditory_slowfast", "time_warp")
def warp(log_mel: Array, matrix: Any, *, column: int, distance: int) -> Results:
    """Return a warped spectrogram (F, T), the flow, and the value at the control point."""
    matrix = np.asarray(matrix)
    value = float(log_mel[len(log_mel) // 2, column])
    flow = warp_flow(log_mel.shape, value, distance, matrix)
    warped = time_warp(log_mel, column, distance, matrix)
    return {"value": value, "flow": flow, "max_abs_flow": np.abs(flow).max(), "out": warped}


class ScriptedDraws:
    """Integers that stand for random draws, in order; it keeps the ranges they are drawn from."""

    def __init__(self, draws: Sequence[int]) -> None:
        self.remaining = list(draws)
        self.ranges: list[list[int]] = []

    def __call__(self, low: int, high: int) -> int:  # noqa: D102
        self.ranges.append([low, high])
        return self.remaining.pop(0)


class Step(Settings):
    """One step of an augmentation: a warp by up to `max_distance`, or masks up to `max_width`."""

    name: Literal["time_warp", "frequency_mask", "time_mask"]
    max_distance: int | None = None
    max_width: int | None = None
    masks: int | None = None


@operation("auditory_slowfast", "spec_augment")
def spec_augment(
    log_mel: Array, draws: Sequence[int], matrix: Any = None, *, steps: list[Step]
) -> Results:
    """Return a spectrogram (F, T) after steps with given draws, and the rows each mask changed."""
    x, draw = log_mel, ScriptedDraws(draws)
    for step in steps:
        if step.name == "time_warp" and step.max_distance is not None:
            w = step.max_distance
            column, distance = draw(w, x.shape[1] - w), draw(-w, w)
            x = time_warp(x, column, distance, np.asarray(matrix))
        elif step.max_width is not None and step.masks is not None:
            mask = frequency_mask if step.name == "frequency_mask" else time_mask
            x = mask(x, draw, max_width=step.max_width, masks=step.masks)
    is_changed = x != log_mel
    return {
        "out": x,
        "changed_bands": np.flatnonzero(is_changed.any(axis=1)),
        "changed_frames": np.flatnonzero(is_changed.any(axis=0)),
        "draw_ranges": draw.ranges,
        "draws_left": draw.remaining,
    }


@operation("auditory_slowfast", "intervals")
def intervals(*, video_id: str, num_frames: int, fps: float, window: float, hop: float) -> Results:
    """Return the interval table of a video by columns, and its number of rows."""
    table = interval_rows(video_id, num_frames, fps, interval_s=window, hop_s=hop)
    columns = {name: table[ours].to_list() for name, ours in PUBLISHED_COLUMNS.items()}
    return {"rows": len(table), **columns}


@operation("auditory_slowfast", "arrange")
def arrange(features: Array, ids: Any) -> Results:
    """Return the features of each video, and the rows they come from."""
    arranged = arrange_features(features, ids)
    rows = {video: of_video.tolist() for video, of_video in rows_by_video(ids).items()}
    results: dict[str, Any] = {"rows": rows, "videos": sorted(rows)}
    return results | {f"out/{video}": values for video, values in arranged.items()}


@operation("auditory_slowfast", "learning_rate")
def rates(epochs: Any, *, solver: dict[str, Any]) -> Results:
    """Return the rate at fractional epochs, by the `SOLVER` section of a configuration."""
    schedule = schedule_from_solver(solver)
    return {"learning_rate": [learning_rate(epoch, schedule) for epoch in epochs]}


@operation("auditory_slowfast", "recognition_metrics")
def metrics(probs: Array, labels: Array) -> Results:
    """Return the metrics of given probabilities as published, partly in percent."""
    result = recognition_metrics(probs, labels)
    return {
        "top1_acc": 100 * result["top1"],
        "top5_acc": 100 * result["top5"],
        "mAP": result["mAP"],
        "mAUC": result["AUC"],
        "d_prime": result["d_prime"],
        "mPCA": result["mean_class_accuracy"],
        "PCA": [value for value in result["per_class"]["accuracy"] if value is not None],
        "seen_classes": result["classes"],
    }


class PreciseBatch(Settings):
    """First items of the batch, in its order or reversed, times `scale`."""

    items: int
    reversed: bool = False
    scale: float = 1.0


def trained_network(
    weights: Weights,
    *,
    num_classes: list[int],
    width: int = 64,
    freeze_batch_norm: bool = False,
    dropout: None = None,
) -> AuditorySlowFast:
    """Return the network in training; nothing but no dropout can be asked for."""
    model = weights.fill(network(num_classes=num_classes, width=width))
    if freeze_batch_norm:
        freeze_norms(model)
    train_mode(model)
    return model


@operation("auditory_slowfast", "train_steps", build=trained_network, optimization=Optimization)
def train_steps(
    build: Callable[[], AuditorySlowFast],
    optimization: Callable[[], Optimization],
    log_mel: Tensor,
    labels: Tensor,
    *,
    steps: int,
    precise_batches: list[PreciseBatch] | None = None,
) -> Results:
    """Return losses, logits and gradients of the first step, and what the steps changed.

    Statistics of `precise_batches` replace the running ones of batch norms after the steps.
    """
    model, settings = build(), optimization()
    built = build_optimizer(model, settings.optimizer.lr)
    results = settings.configure(model, built)
    settings.clip_before_steps(built)
    results["batch_norms_in_training"] = sum(n.training for n in batch_norms(model).values())
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    targets = labels.reshape(len(log_mel), -1)  # (B, heads)
    logits: list[Tensor] = []
    hook = model.register_forward_hook(lambda _model, _inputs, outputs: logits.extend(outputs))
    losses = []
    for step in range(steps):
        losses.append(train_step(model, built, log_mel, targets))
        if step == 0:
            hook.remove()
            results["logits"] = torch.cat(logits, dim=-1)
            for name, p in model.named_parameters():
                gradient = torch.zeros_like(p) if p.grad is None else p.grad.clone()
                results[f"gradients/{name}"] = gradient
    results["loss"] = losses
    for name, p in model.named_parameters():
        results[f"changes/{name}"] = p.detach() - initial[name]
    results |= {f"buffers/{name}": buffer.clone() for name, buffer in model.named_buffers()}
    if precise_batches:
        batches = [(log_mel.flip(0) if b.reversed else log_mel, b) for b in precise_batches]
        update_precise_statistics(model, [x[: b.items] * b.scale for x, b in batches])
        results |= {f"precise_buffers/{name}": buffer for name, buffer in model.named_buffers()}
    return results
