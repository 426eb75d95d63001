"""Golden cases of the spectrograms: log-mel of intervals, augmentation."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels, log_mel, pad_frames
from avlib.extractors.auditory_slowfast.views import view_slices, window_samples
from avlib.extractors.intervals import interval_samples
from avlib.media.resample import resample_mono
from avlib.training.spec_augment import frequency_mask, time_mask, time_warp, warp_flow
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import rule_input
from avlib.verify.tolerance import EXACT

Spectrogram = NDArray[np.float32]
BLOCK_SAMPLES = 1 << 14  # of the parts in which a recording is resampled
N_MELS = 128


def to_16_bit(signal: NDArray[Any]) -> Spectrogram:
    """Return `signal` as a 16-bit file would hold it, in [-1, 1]."""
    return (np.clip(np.round(signal * 32768.0), -32768, 32767) / 32768.0).astype(np.float32)


def make_sound(wave: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the channels (n_samples, channels) of a sound that a sidecar describes.

    Raises:
        ValueError: if the kind of sound is unknown.
    """
    kind, n = wave["kind"], wave["n"]
    t = np.arange(n) / wave["sr"]
    if kind in ("rule", "stereo_rule"):
        names = (
            [wave["name"]] if kind == "rule" else [wave["name"] + s for s in ("/left", "/right")]
        )
        channels = [rule_input(name, (n,), wave["seed"], wave["scale"]) for name in names]
        return to_16_bit(np.stack(channels, axis=1))
    if kind == "tones":
        signal = sum((a * np.sin(2 * np.pi * f * t) for f, a in wave["partials"]), np.zeros(n))
    elif kind == "chirp":
        phase = 2 * np.pi * (wave["f0"] * t + 0.5 * wave["slope"] * t * t)
        signal = wave["amp"] * np.sin(phase) * np.exp(-wave["decay"] * np.mod(t, wave["period"]))
    elif kind in ("impulses", "silence"):
        signal = np.zeros(n)
        signal[wave.get("at", [])] = wave.get("amp", 0.0)
    else:
        raise ValueError(f"unknown kind of sound {kind!r}")
    return to_16_bit(signal[:, None])


def recording(wave: Mapping[str, Any], sample_rate: int) -> NDArray[np.float32]:
    """Return a described sound as it is stored for extraction: mono, at `sample_rate`."""
    channels = make_sound(wave)
    blocks = (channels[i : i + BLOCK_SAMPLES] for i in range(0, len(channels), BLOCK_SAMPLES))
    return np.concatenate(list(resample_mono(blocks, wave["sr"], sample_rate)))


def log_mel_of_interval(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare where an interval is cut, and its spectrogram by both ways to compute it."""
    c, golden, rate = case.content, case.own_arrays(), case.content["sampling_rate"]
    waveform = recording(c["wave"], rate)
    yield from _resampling(case, waveform)
    interval = (c["start_sec"], c["stop_sec"])
    views = view_slices(*interval, sample_rate=rate, views=c["num_features"])
    first, last = views[c["set_index"]]
    start, stop = interval_samples(*interval, sample_rate=rate)
    noted: dict[str, Any] = {"start_audio_sample": start, "end_audio_sample": stop}
    # For an interval shorter than a window the sidecars note a slice that is not used.
    if stop - start >= window_samples(rate):
        noted["slice"] = [first, last]
    yield from case.compare_noted(noted, EXACT)
    fast = interval_log_mels(waveform, [(first, last)], sample_rate=rate, device=numerics.device)[0]
    plain = pad_frames(log_mel(torch.from_numpy(waveform[first:last]), sample_rate=rate))
    rows = slice(None) if c["stored"] == "full" else case.sidecar["frames_stored"]
    tolerance = case.tolerance("mel")
    yield compare("mel", fast[rows], golden["mel"], tolerance)
    yield compare("mel (one slice)", plain[rows], golden["mel"], tolerance)
    yield from case.compare_noted({"shape": [1, *fast.shape]}, EXACT)
    values = fast.double()
    statistics = {"mean": values.mean(), "std": values.std(correction=0)}
    statistics |= {"min": values.min(), "max": values.max()}
    yield from case.compare_noted(statistics, tolerance)


def _resampling(case: Case, waveform: NDArray[np.float32]) -> Iterator[Comparison]:
    for name, array in case.own_arrays().items():
        part = re.fullmatch(r"resampled_(tail|\d+)_(\d+)", name)
        if part:
            start = len(waveform) - int(part[2]) if part[1] == "tail" else int(part[1])
            stop = len(waveform) if part[1] == "tail" else int(part[2])
            yield compare(name, waveform[start:stop], array, case.tolerance(name))
    yield from case.compare_noted({"resampled_length": len(waveform)}, EXACT)


class ScriptedDraws:
    """Integers that stand for random draws: a function of the range, which it notes."""

    def __init__(self, draws: Sequence[int]) -> None:
        self.remaining = list(draws)
        self.ranges: list[list[int]] = []

    def __call__(self, low: int, high: int) -> int:  # noqa: D102
        self.ranges.append([low, high])
        return self.remaining.pop(0)


def spec_augment(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare one operation, or a chain of them, with its random draws given."""
    name, seed, n_frames = (case.content["input"][key] for key in ("name", "seed", "T"))
    x = rule_input(name, (1, N_MELS, n_frames), seed, 2.0)[0] - np.float32(5.0)
    operation: Callable[[Case, Spectrogram], Iterator[Comparison]] = {
        "time_warp": _warp,
        "freq_mask": _mask,
        "time_mask": _mask,
        "combined_transforms": _combined,
    }[case.content["op"]]
    return operation(case, x)


def _warp(case: Case, x: Spectrogram) -> Iterator[Comparison]:
    c, rows, golden = case.content, case.sidecar["rows_stored_for_warp"], case.own_arrays()
    column, distance, matrix = c["column_index"], c["distance"], np.array(c["R"])
    value = float(x[N_MELS // 2, column])
    flow = warp_flow(x.shape, value, distance, matrix)
    warped = time_warp(x, column, distance, matrix)
    tolerance = case.tolerance("warp", "flow")
    noted = {"value_at_column": value, "max_abs_flow": np.abs(flow).max()}
    yield from case.compare_noted(noted, tolerance)
    yield compare("flow", flow[rows], golden["flow"], tolerance)
    yield compare("out", warped[rows], golden["out"], case.tolerance("warp", "out"))


def _mask(case: Case, x: Spectrogram) -> Iterator[Comparison]:
    c, tolerance = case.content, case.tolerance("masks")
    operation, axis = (frequency_mask, 0) if c["op"] == "freq_mask" else (time_mask, 1)
    draw = ScriptedDraws(c["draws"])
    masked = operation(x, draw, max_width=c["param"], masks=c["num_masks"])
    rows, before = np.moveaxis(masked, axis, 0), np.moveaxis(x, axis, 0)
    changed = np.flatnonzero((rows != before).any(axis=1))
    exact = {"changed": changed.tolist(), "draw_ranges": draw.ranges}
    yield from case.compare_noted(exact, EXACT)
    mean = masked.mean(dtype=np.float64)
    yield from case.compare_noted({"mean_of_output": mean}, tolerance)
    if len(changed):
        fills = np.asarray(c["fill_values"])
        nearest = fills[np.abs(rows[changed, 0, None] - fills).argmin(axis=1)]
        expected = np.broadcast_to(nearest[:, None], rows[changed].shape)
        yield compare("fill_values", rows[changed], expected, tolerance)
    for name, array in case.own_arrays().items():
        yield compare(name, masked, array, tolerance)
    yield compare_exactly("draws not used", draw.remaining, [])


def _combined(case: Case, x: Spectrogram) -> Iterator[Comparison]:
    """Apply the operations that `order` lists, such as `time_warp(W=5), freq_mask(F=27,2)`."""
    c = case.content
    draw = ScriptedDraws(c["draws"])
    for name, arguments in re.findall(r"(\w+)\(([^)]*)\)", c["order"]):
        sizes = [int(size) for size in re.findall(r"\d+", arguments)]
        if name == "time_warp":
            column, distance = draw(sizes[0], x.shape[1] - sizes[0]), draw(-sizes[0], sizes[0])
            x = time_warp(x, column, distance, np.array(c["R"]))
        else:
            operation = {"freq_mask": frequency_mask, "time_mask": time_mask}[name]
            x = operation(x, draw, max_width=sizes[0], masks=sizes[1])
    yield compare("out", x, case.own_arrays()["out"], case.tolerance("combined", "out"))
    yield from case.compare_noted({"draw_ranges": draw.ranges}, EXACT)
    yield compare_exactly("draws not used", draw.remaining, [])
