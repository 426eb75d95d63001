"""Operations of Auditory SlowFast: from the recording to features, and the training of weights."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.arrange import arrange as arrange_features
from avlib.extractors.arrange import rows_by_video
from avlib.extractors.auditory_slowfast.batch_norm import (
    batch_norms,
    freeze_batch_norm,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels, log_mel, pad_frames
from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    fold_batch_norm,
    pack_pathways,
    slow_frame_indices,
)
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.extractors.intervals import interval_rows, interval_samples
from avlib.media.resample import resample_mono
from avlib.training.schedules import learning_rate, schedule_from_solver
from avlib.training.spec_augment import frequency_mask, time_mask, time_warp, warp_flow
from avlib.verify.networks import (
    OptimizationArguments,
    clip_gradients,
    configure,
    group_sizes,
    optimizer_recipe,
    state_entries,
)
from avlib.verify.operations import Arguments, Inputs, NetworkArguments, Results, operation

SYSTEM = "auditory_slowfast"
PATHWAYS = ("slow", "fast")
BLOCK_SAMPLES = 1 << 14  # of the parts in which a recording is resampled
# Columns of the published interval tables, and what we call them.
COLUMNS = {
    "narration_id": "interval_id",
    "video_id": "video_id",
    "start_sec": "start_s",
    "stop_sec": "stop_s",
    "narration_sec": "centre_s",
    "start_frame": "start_frame",
    "stop_frame": "stop_frame",
}


class Size(NetworkArguments):
    """Classes of each head, one or two, and width of the network."""

    num_classes: list[int]
    width: int = 64


@operation(SYSTEM, "forward")
def forward(arguments: Size, inputs: Inputs) -> Results:
    """Return features, scores and inner stages, and those of the copy with folded batch norms."""
    return _forward(arguments, inputs, inputs.tensor("log_mel"))


class SoundFeatures(Size):
    """Intervals [start, stop] of a recording in seconds, and the view of each that is seen."""

    sound_rate: int
    sample_rate: int
    intervals: list[list[float]]
    views: int = 1
    view: int = 0


@operation(SYSTEM, "sound_features")
def sound_features(arguments: SoundFeatures, inputs: Inputs) -> Results:
    """Return what `forward` does, of the intervals of a recording."""
    a = arguments
    waveform = stored_recording(inputs["waveform"], a.sound_rate, a.sample_rate)
    slices = [
        view_slices(start_s, stop_s, sample_rate=a.sample_rate, views=a.views)[a.view]
        for start_s, stop_s in a.intervals
    ]
    log_mels = interval_log_mels(waveform, slices, sample_rate=a.sample_rate)[:, None]
    return _forward(a, inputs, log_mels.to(inputs.numerics.device, inputs.numerics.dtype))


@torch.inference_mode()
def _forward(size: Size, inputs: Inputs, x: Tensor) -> dict[str, Any]:
    model = AuditorySlowFast(num_classes=size.num_classes, width=size.width).eval()
    model = inputs.filled(model)
    stages: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in model.named_children():
        if name != "head":
            module.register_forward_hook(
                lambda _module, _inputs, outputs, name=name: stages.update({name: outputs})
            )
    results = _outputs(model, x, "")
    for name, outputs in stages.items():
        pathways = zip(PATHWAYS, outputs, strict=True)
        results |= {f"{name}/{pathway}": output for pathway, output in pathways}
    return results | _outputs(fold_batch_norm(model), x, "folded/")


def _outputs(model: AuditorySlowFast, x: Tensor, prefix: str) -> dict[str, Any]:
    """Return features, and scores of all heads side by side and of each of two heads."""
    features = model.features(x)
    logits = dict(zip(model.head.names, model.head(features), strict=True))
    results = {"features": features, "logits": torch.cat(list(logits.values()), dim=-1)}
    results["probs"] = torch.cat([x.softmax(dim=-1) for x in logits.values()], dim=-1)
    for name, scores in logits.items() if len(logits) > 1 else ():
        head = name.removeprefix("projection_")
        results |= {f"logits/{head}": scores, f"probs/{head}": scores.softmax(dim=-1)}
    return {f"{prefix}{name}": result for name, result in results.items()}


def stored_recording(
    waveform: NDArray[np.float32], rate: int, sample_rate: int
) -> NDArray[np.float32]:
    """Return a sound, (n,) or (channels, n), as it is stored for extraction."""
    channels = np.atleast_2d(waveform).T
    blocks = (channels[i : i + BLOCK_SAMPLES] for i in range(0, len(channels), BLOCK_SAMPLES))
    return np.concatenate(list(resample_mono(blocks, rate, sample_rate)))


class LogMel(Arguments):
    """One view of an interval of a recording."""

    sound_rate: int
    sample_rate: int
    start_s: float
    stop_s: float
    views: int = 1
    view: int = 0


@operation(SYSTEM, "log_mel")
def interval_log_mel(arguments: LogMel, inputs: Inputs) -> Results:
    """Return where an interval is cut, and its spectrogram by both ways to compute it."""
    a, rate = arguments, arguments.sample_rate
    waveform = stored_recording(inputs["waveform"], a.sound_rate, rate)
    interval = (a.start_s, a.stop_s)
    first, last = view_slices(*interval, sample_rate=rate, views=a.views)[a.view]
    device = inputs.numerics.device
    fast = interval_log_mels(waveform, [(first, last)], sample_rate=rate, device=device)[0]
    plain = log_mel(torch.from_numpy(waveform[first:last]), sample_rate=rate)
    return {
        "waveform": waveform,
        "samples": interval_samples(*interval, sample_rate=rate),
        "slice": [first, last],
        "log_mel": fast,
        "log_mel_of_slice": pad_frames(plain),
    }


class Packing(Arguments):
    """Number of frames, and how many of the fast pathway are one of the slow one."""

    frames: int
    alpha: int


@operation(SYSTEM, "packing")
def packing(arguments: Packing, inputs: Inputs) -> Results:
    """Return the frames of both pathways, as their numbers."""
    x = torch.arange(arguments.frames, dtype=torch.float32)[None, None, :, None]
    slow, fast = pack_pathways(x, arguments.alpha)
    indices = slow_frame_indices(arguments.frames, arguments.alpha)
    return {"slow_indices": indices, "slow": slow.flatten(), "fast": fast.flatten()}


@operation(SYSTEM, "state_dict")
def state_dict(arguments: Size, inputs: Inputs) -> Results:
    """Return name, shape and type of all weights, and how many numbers are trained."""
    with torch.device("meta"):
        model = AuditorySlowFast(num_classes=arguments.num_classes, width=arguments.width)
    return state_entries(model)


class ScriptedDraws:
    """Integers that stand for random draws, in order; it keeps the ranges they are drawn from."""

    def __init__(self, draws: Sequence[int]) -> None:
        self.remaining = list(draws)
        self.ranges: list[list[int]] = []

    def __call__(self, low: int, high: int) -> int:  # noqa: D102
        self.ranges.append([low, high])
        return self.remaining.pop(0)

    def results(self) -> dict[str, Any]:
        """Return the ranges, and draws that were not needed."""
        return {"draw_ranges": self.ranges, "draws_left": self.remaining}


class Warp(Arguments):
    """Frame of the control point, and its shift in frames."""

    column: int
    distance: int


@operation(SYSTEM, "time_warp")
def warp(arguments: Warp, inputs: Inputs) -> Results:
    """Return a warped spectrogram (F, T), the flow, and the value at the control point."""
    x, matrix = inputs["log_mel"], np.asarray(inputs["matrix"])
    value = float(x[len(x) // 2, arguments.column])
    flow = warp_flow(x.shape, value, arguments.distance, matrix)
    warped = time_warp(x, arguments.column, arguments.distance, matrix)
    return {"value": value, "flow": flow, "max_abs_flow": np.abs(flow).max(), "out": warped}


class Step(Arguments):
    """One step of an augmentation: a warp by up to `max_distance`, or masks up to `max_width`."""

    name: Literal["time_warp", "frequency_mask", "time_mask"]
    max_distance: int | None = None
    max_width: int | None = None
    masks: int | None = None


class SpecAugment(Arguments):
    """Steps, in order."""

    steps: list[Step]


@operation(SYSTEM, "spec_augment")
def spec_augment(arguments: SpecAugment, inputs: Inputs) -> Results:
    """Return a spectrogram (F, T) after steps with given draws, and the rows each mask changed."""
    x, draw = inputs["log_mel"], ScriptedDraws(inputs["draws"])
    before = x
    for step in arguments.steps:
        if step.name == "time_warp" and step.max_distance is not None:
            w = step.max_distance
            column, distance = draw(w, x.shape[1] - w), draw(-w, w)
            x = time_warp(x, column, distance, np.asarray(inputs["matrix"]))
        elif step.max_width is not None and step.masks is not None:
            mask = frequency_mask if step.name == "frequency_mask" else time_mask
            x = mask(x, draw, max_width=step.max_width, masks=step.masks)
    is_changed = x != before
    changed = {
        "changed_bands": np.flatnonzero(is_changed.any(axis=1)),
        "changed_frames": np.flatnonzero(is_changed.any(axis=0)),
    }
    return {"out": x, **changed, **draw.results()}


class Intervals(Arguments):
    """A video, and the length and distance of its intervals in seconds."""

    video_id: str
    num_frames: int
    fps: float
    window: float
    hop: float


@operation(SYSTEM, "intervals")
def intervals(arguments: Intervals, inputs: Inputs) -> Results:
    """Return the interval table of a video by columns, and its number of rows."""
    a = arguments
    table = interval_rows(a.video_id, a.num_frames, a.fps, interval_s=a.window, hop_s=a.hop)
    columns = {name: table[ours].to_list() for name, ours in COLUMNS.items()}
    return {"rows": len(table), **columns}


@operation(SYSTEM, "arrange")
def arrange(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the features of each video, and the rows they come from."""
    ids = inputs["ids"]
    arranged = arrange_features(inputs["features"], ids)
    rows = {video: of_video.tolist() for video, of_video in rows_by_video(ids).items()}
    results: dict[str, Any] = {"rows": rows, "videos": sorted(rows)}
    return results | {f"out/{video}": features for video, features in arranged.items()}


class LearningRate(Arguments):
    """The `SOLVER` section of a published configuration."""

    solver: dict[str, Any]


@operation(SYSTEM, "learning_rate")
def rates(arguments: LearningRate, inputs: Inputs) -> Results:
    """Return the rate at fractional epochs."""
    schedule = schedule_from_solver(arguments.solver)
    return {"learning_rate": [learning_rate(epoch, schedule) for epoch in inputs["epochs"]]}


@operation(SYSTEM, "recognition_metrics")
def metrics(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the metrics of given probabilities as published, partly in percent."""
    result = recognition_metrics(inputs["probs"], inputs["labels"])
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


class PreciseBatch(Arguments):
    """First items of the batch, in its order or reversed, times `scale`."""

    items: int
    reversed: bool = False
    scale: float = 1.0


class TrainSteps(Size, OptimizationArguments):
    """Steps on one batch.

    Attributes:
        steps: how many.
        freeze_batch_norm: whether all batch norms but the first three are left as they are.
        dropout: rate before the heads, null for none.
        precise_batches: batches whose statistics replace the running ones after the steps.
    """

    steps: int
    freeze_batch_norm: bool = False
    dropout: None = None
    precise_batches: list[PreciseBatch] = Field(default_factory=list)


@operation(SYSTEM, "train_steps")
def train_steps(arguments: TrainSteps, inputs: Inputs) -> Results:
    """Return losses, logits and gradients of the first step, and what the steps changed."""
    a, x = arguments, inputs.tensor("log_mel")
    model = inputs.filled(AuditorySlowFast(num_classes=a.num_classes, width=a.width, dropout=0.0))
    if a.freeze_batch_norm:
        freeze_batch_norm(model)
    train_mode(model)
    optimizer = build_optimizer(model, a.optimizer.lr)
    results: dict[str, Any] = {"recipe": optimizer_recipe(optimizer)}
    results["published_groups"] = group_sizes(optimizer)
    configure(model, optimizer, a.optimizer, a.parameter_groups)
    clip_gradients(optimizer, a.gradient_clipping)
    results["groups"] = group_sizes(optimizer)
    results["batch_norms_in_training"] = sum(n.training for n in batch_norms(model).values())
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    labels = torch.as_tensor(inputs["labels"], device=x.device).reshape(len(x), -1)  # (B, heads)
    logits: list[Tensor] = []
    hook = model.register_forward_hook(lambda _model, _inputs, outputs: logits.extend(outputs))
    losses = []
    for step in range(a.steps):
        losses.append(train_step(model, optimizer, x, labels))
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
    if a.precise_batches:
        batches = ((x.flip(0) if b.reversed else x, b) for b in a.precise_batches)
        update_precise_statistics(model, [batch[: b.items] * b.scale for batch, b in batches])
        results |= {f"precise_buffers/{name}": buffer for name, buffer in model.named_buffers()}
    return results
