"""Operations of the soundtrack networks: images, lists, networks, training, fusion of scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.resnet import BasicBlock, Bottleneck

from avlib.datasets.kinetics import (
    match_soundtracks,
    read_soundtrack_list,
    read_video_list,
    soundtrack_name,
    unmatched,
    windows_order,
)
from avlib.io.packs import Waveform
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
from avlib.soundtracks.network import (
    ResNet,
    network_weights,
    published_name,
    soundtrack_network,
)
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.steps import build_optimizer, top_k_share, train_step
from avlib.soundtracks.sweep import Paired, sweep, weight_grid
from avlib.training.schedules import Schedule, learning_rate
from avlib.verify.networks import (
    OptimizationArguments,
    clip_gradients,
    configure,
    optimizer_recipe,
    state_entries,
)
from avlib.verify.operations import Arguments, Inputs, NetworkArguments, Results, operation

SYSTEM = "soundtrack"
RECIPE = SOUNDTRACK_RECIPES["kinetics600"]
VARIANTS: tuple[Variant, ...] = ("librosa_0_8", "librosa_0_9")


class Rate(Arguments):
    """Samples per second."""

    sample_rate: int


@operation(SYSTEM, "frame_samples")
def geometry(arguments: Rate, inputs: Inputs) -> Results:
    """Return the length of a frame and the distance between two, in samples."""
    n_fft, hop_length = frame_samples(arguments.sample_rate)
    return {"n_fft": n_fft, "hop_length": hop_length}


class Images(Rate):
    """A recording, and whether its samples are stored as 16-bit integers."""

    is_int16: bool = False


@operation(SYSTEM, "images")
def images(arguments: Images, inputs: Inputs) -> Results:
    """Return the images of a recording, (n,) or (channels, n), in both variants."""
    waveform = inputs["waveform"].T
    if arguments.is_int16:
        waveform = (waveform * 32768).astype(np.int16)
    clip_borders(len(waveform), arguments.sample_rate)
    return _images(waveform, arguments.sample_rate)


@operation(SYSTEM, "images_of_file")
def images_of_file(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the images of a wav file in both variants."""
    waveform, sample_rate = soundfile.read(inputs["recording"], dtype="int16", always_2d=True)
    return _images(waveform, sample_rate)


def _images(waveform: Waveform, sample_rate: int) -> dict[str, Any]:
    results: dict[str, Any] = {"clips": len(clip_borders(len(waveform), sample_rate)) - 1}
    for variant in VARIANTS:
        parts = audio_images(waveform, sample_rate=sample_rate, variant=variant)
        empty = np.empty((0, N_MELS, N_FRAMES), np.float32)
        results[variant] = np.concatenate([empty, *parts])
    return results


class ClipImage(Rate):
    """Number of frames of the image of a clip."""

    n_frames: int


@operation(SYSTEM, "clip_image")
def clip_image(arguments: ClipImage, inputs: Inputs) -> Results:
    """Return the image of the first clip in both variants, of a rate that has no images, too."""
    rate = arguments.sample_rate
    clip = mono(inputs["waveform"].T[: int(rate * CLIP_S)])
    mels = {v: ClipMel(rate, v, arguments.n_frames)(clip) for v in VARIANTS}
    return {variant: decibels(mel[None])[0] for variant, mel in mels.items()}


@operation(SYSTEM, "soundtrack_order")
def soundtrack_order(arguments: Arguments, inputs: Inputs) -> Results:
    """Return [label, file] of the soundtracks of videos [label, name], as published in order."""
    files = [(label, soundtrack_name(name)) for label, name in inputs["videos"]]
    return {"soundtracks": [list(files[i]) for i in windows_order(files)]}


@operation(SYSTEM, "match")
def match(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the video of each soundtrack, from names or files of the published lists."""
    videos = _names(inputs["videos"], read_video_list)
    soundtracks = _names(inputs["soundtracks"], read_soundtrack_list)
    found = match_soundtracks(videos, soundtracks)
    without = found.unmatched_videos
    kept = np.setdiff1d(np.arange(len(videos)), without)
    same = int((found.video == kept).sum()) if len(kept) == len(found.video) else None
    return {
        "index": found.video,
        "videos_without": [int(i) for i in without],
        "names_without": [videos[i] for i in without],
        "identity_positions": same,
    }


def _names(given: Path | Sequence[str], read: Any) -> list[str]:
    return read(given)["name"].to_list() if isinstance(given, Path) else list(given)


class Unmatched(Arguments):
    """Number of videos."""

    n_videos: int


@operation(SYSTEM, "unmatched")
def left_out(arguments: Unmatched, inputs: Inputs) -> Results:
    """Return the videos that an index of soundtracks leaves out."""
    return {"videos_without": unmatched(inputs["index"], arguments.n_videos)}


class Network(NetworkArguments):
    """Name of a network, and what may differ from the published one of that name."""

    network: str
    num_classes: int | None = None
    width: int | None = None
    stem_stride: int | None = None
    pool: str | None = None
    dropout: float | None = None
    in_features: int | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments of the network's class."""
        return self.model_dump(exclude={"network", "dtype"}, exclude_none=True)


@operation(SYSTEM, "forward")
@torch.inference_mode()
def forward(arguments: Network, inputs: Inputs) -> Results:
    """Return logits and pooled activations, and what averaging the whole map would change."""
    network = soundtrack_network(arguments.network, **arguments.options()).eval()
    network = inputs.filled(network, published_name)
    outputs: dict[str, Tensor] = {}
    if isinstance(network, ResNet):
        for name in ("layer4", "avgpool"):
            network.get_submodule(name).register_forward_hook(
                lambda _module, _inputs, output, name=name: outputs.update({name: output})
            )
    logits = network(inputs.tensor("images"))
    results = {"logits": logits, "logits_abs_max": logits.abs().max()}
    if outputs:
        pooled, layer4 = outputs["avgpool"].flatten(1), outputs["layer4"]
        change = (layer4.mean(dim=(2, 3)) - pooled).abs().max()
        results |= {"layer4": layer4, "pooled": pooled, "change_of_all_columns": change}
    return results


@operation(SYSTEM, "state_dict")
def state_dict(arguments: Network, inputs: Inputs) -> Results:
    """Return name, shape and type of all weights, and how many numbers are trained."""
    with torch.device("meta"):
        network = soundtrack_network(arguments.network, **arguments.options())
    return state_entries(network, network_weights(network))


class MultiStep(Arguments):
    """A rate that is multiplied by `gamma` at each of `milestones`.

    Attributes:
        name: its published name.
        milestones: steps or epochs.
        gamma: factor.
        step_after: `batch` where each step stands for an epoch.
    """

    name: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: list[int]
    gamma: float
    step_after: Literal["batch"] = "batch"


class TrainSteps(OptimizationArguments):
    """Training steps of a residual network.

    Attributes:
        network: its kind.
        block: of the residual blocks.
        layers: blocks of each stage.
        num_classes: classes.
        schedule: of the rate; null for a constant one.
        loss: the only one.
        label_smoothing: share of a label that is spread over all classes.
        dropout: null, as these networks have none.
    """

    network: Literal["resnet"] = "resnet"
    block: Literal["basic", "bottleneck"] = "basic"
    layers: list[int]
    num_classes: int
    schedule: MultiStep | None = None
    loss: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = 0.0
    dropout: None = None


@operation(SYSTEM, "train_steps")
def train_steps(arguments: TrainSteps, inputs: Inputs) -> Results:
    """Return rate, loss and accuracies in percent of each step, and logits after the last one."""
    a = arguments
    batches, labels = inputs.tensor("images"), inputs.tensor("labels").long()
    block = BasicBlock if a.block == "basic" else Bottleneck
    model = inputs.filled(ResNet(block, a.layers, num_classes=a.num_classes), published_name)
    kind: Literal["sgd", "adamw"] = "sgd" if a.optimizer.name == "SGD" else "adamw"
    schedule = _schedule(a.optimizer.lr, a.schedule)
    optimizer = build_optimizer(model.train(), replace(RECIPE, optimizer=kind, schedule=schedule))
    results: dict[str, Any] = {"recipe": optimizer_recipe(optimizer)}
    configure(model, optimizer, a.optimizer, a.parameter_groups)
    clip_gradients(optimizer, a.gradient_clipping)
    rows = []
    for step, (x, y) in enumerate(zip(batches, labels, strict=True)):
        rate = learning_rate(float(step), schedule)
        for group in optimizer.param_groups:
            group["lr"] = rate
        smoothing = a.label_smoothing
        loss, logits = train_step(model, optimizer, x, y, label_smoothing=smoothing)
        rows.append([rate, loss, *(100 * top_k_share(logits, y, k) for k in (1, 5))])
    columns = np.array(rows).reshape(-1, 4).T
    results |= dict(zip(("learning_rate", "loss", "top1", "top5"), columns, strict=True))
    with torch.inference_mode():
        results["final_logits"] = model.eval()(batches[0])
    published = RECIPE.schedule
    factors = [factor * published.base_rate for factor in published.factors]
    return results | {"published_steps": published.steps, "published_rates": factors}


def _schedule(rate: float, given: MultiStep | None) -> Schedule:
    if given is None:
        return Schedule(rate, epochs=1)
    steps = (0, *sorted(given.milestones))
    factors = tuple(given.gamma**i for i in range(len(steps)))
    return Schedule(rate, epochs=steps[-1] + 1, steps=steps, factors=factors)


@operation(SYSTEM, "pooled_scores")
def pooled_scores(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the scores of soundtracks from those of their clips, and how many are right."""
    clips, labels = inputs["clips"], inputs["labels"]
    scores = pool_clips(inputs["clip_scores"], clips)
    found = soundtrack_metrics(scores, labels, clips)["reference"]
    counted = published_labels(labels, clips)
    return {"scores": scores, "labels": counted, "top1": found["top1"], "top5": found["top5"]}


class Sweep(Arguments):
    """Weights 0 / denominator, ..., (weights - 1) / denominator of the audio."""

    weights: int
    denominator: int = 1000


@operation(SYSTEM, "sweep")
def sweep_weights(arguments: Sweep, inputs: Inputs) -> Results:
    """Return weight, top-1, top-5 and their mean at each weight, and at the best one."""
    labels: NDArray[np.int64] = np.asarray(inputs["labels"], dtype=np.int64)
    pairs = Paired(inputs["audio"], inputs["video"], labels)
    grid = weight_grid(stop=arguments.weights - 1, denominator=arguments.denominator)
    result = sweep(pairs, grid)
    best = result.rows()[result.best()]
    fused = top_metrics(pairs.fused(float(best[0])), labels)
    top = [fused["top1"], fused["top5"]]
    return {"rows": result.rows(), "best": best, "fused_at_best": top}
