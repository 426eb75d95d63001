"""Sidecars of Auditory SlowFast."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.sidecar import (
    EXACT,
    NUMBER,
    Converted,
    Refused,
    Sidecar,
    Tolerance,
    computed,
    expect,
    fill,
    find_tolerance,
    int16_noise,
    keep_used,
    require_known,
    rule,
    rule_generator,
    texts,
)

SYSTEM = "auditory_slowfast"
PUBLISHED_WIDTH, PUBLISHED_FEATURES = 64, 2304
# Classes and sample rates of the published configurations, where a sidecar does not say them.
CLASSES = {"epicsounds": 44, "perception": 67, "ave": 28, "vggsound": 309}
RATES = {"epicsounds": 24_000, "perception": 24_000, "ave": 16_000, "vggsound": 16_000}
PATHWAYS = ("slow", "fast")
N_MELS = 128
ROUNDED = Tolerance(5.1e-6)  # of values to five decimals
MASKS = {"freq_mask": "frequency_mask", "time_mask": "time_mask"}
ORDER = re.compile(r"(\w+)\(([^)]*)\)")  # such as time_warp(W=5), freq_mask(F=27,2)
OPTIMIZER = re.compile(
    rf"SGD momentum {NUMBER}(, nesterov)?, dampening {NUMBER}; weight decay {NUMBER} on parameters "
    rf"whose name contains '(\w+)', {NUMBER} on the others"
)
PUBLISHED_RECIPE = (
    {"name": "SGD", "momentum": 0.9, "nesterov": True, "dampening": 0.0},
    [{"name_contains": ["bn"], "weight_decay": 0.0}, {"weight_decay": 1e-4}],
)
PRECISE_NOTE = re.compile(
    rf"update over 2 batches: the batch itself, then its first B-1 items after reversing the "
    rf"batch order, times {NUMBER}"
)


def convert(sidecar: Sidecar) -> Converted | None:
    """Return a sidecar in format 1, None where it is of another system."""
    cases = sidecar.cases()
    kinds = {name: _kind(content) for name, content in cases.items()}
    if None in kinds.values() or not cases:
        return None
    about = str(sidecar.content.get("about", ""))
    converted: list[dict[str, Any]] = []
    for name, content in cases.items():
        for case in _as_list(name, CONVERTERS[kinds[name]](sidecar, name, content)):
            converted.append(case)
    return keep_used({"system": SYSTEM, "about": about, "cases": converted}, sidecar.arrays)


def _as_list(name: str, case: Any) -> list[dict[str, Any]]:
    return case if isinstance(case, list) else [{"id": name, **case}]


def _kind(content: Mapping[str, Any]) -> str | None:
    return next((kind for kind, keys in KINDS.items() if keys <= content.keys()), None)


# --- networks


def _classes(content: Mapping[str, Any], sidecar: Sidecar, name: str) -> list[int]:
    """Return the classes of each head, as given, as the golden scores have them, or published."""
    given = content.get("num_classes")
    if given is not None:
        return [given] if isinstance(given, int) else list(given)
    own = {n: sidecar.arrays[key] for n, key in sidecar.own(name).items()}
    by_head = {_head(n): a.shape[-1] for n, a in own.items() if re.search("logits|probs", n)}
    if by_head:
        return [by_head[head] for head in sorted(by_head, key=str, reverse=True)]
    config = _config(content)
    if config not in CLASSES:
        raise Refused(f"{name}: says no number of classes")
    return [CLASSES[config]]


def _config(content: Mapping[str, Any]) -> str:
    return (str(content.get("config", "")).split() or [""])[0]


def _head(array: str) -> str | None:
    """Return which head an array of scores belongs to, None for all."""
    words = set(re.split(r"[_/]", array))
    return "verb" if words & {"verb", "0"} else "noun" if words & {"noun", "1"} else None


def _size(content: Mapping[str, Any], sidecar: Sidecar, name: str) -> dict[str, Any]:
    features = sidecar.own(name).get("features")
    channels = PUBLISHED_FEATURES if features is None else sidecar.arrays[features].shape[-1]
    width = PUBLISHED_WIDTH * channels // PUBLISHED_FEATURES
    return {"num_classes": _classes(content, sidecar, name), "width": width}


def _rule(given: Mapping[str, Any]) -> dict[str, Any]:
    require_known("input", given, {"name", "shape", "seed", "scale", "offset"})
    return rule(**given)


def _forward(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = {"id", "config", "num_classes", "fill_seed", "input", "stages", "tolerance"}
    require_known(name, content, known | {"tolerances"})
    return {
        "operation": "forward",
        "arguments": _size(content, sidecar, name),
        "inputs": {"log_mel": _rule(content["input"]), "weights": fill(content["fill_seed"])},
        "expected": _outputs(sidecar, name, content),
        "source": texts(content, "config"),
    }


def _outputs(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    expected: dict[str, Any] = {}
    for suffix, prefix in (("", ""), (" (folded)", "folded/")):
        for array, key in sidecar.own(name).items():
            kind = next((k for k in ("features", "logits", "probs") if k in array), None)
            if kind is None:
                raise Refused(f"{name}: an array {array!r}")
            head = _head(array)
            of = f"{prefix}{kind}/{head}" if head else f"{prefix}{kind}"
            tolerance = computed(find_tolerance((array, kind), content, sidecar.content))
            label = f"{array}{suffix}"
            expected[label] = expect(array=key, of=of, tolerance=tolerance)
    tolerance = computed(find_tolerance(("stages", "features"), content, sidecar.content))
    for stage, pathways in content.get("stages", {}).items():
        for pathway, golden in zip(PATHWAYS, pathways, strict=True):
            of = f"{stage}/{pathway}"
            require_known(of, golden, {"shape", "mean", "std", "first8", "last4"})
            expected |= {
                f"{of} shape": expect(golden["shape"], of=of, statistic="shape"),
                f"{of} mean": expect(golden["mean"], tolerance, of=of, statistic="mean"),
                f"{of} std": expect(golden["std"], tolerance, of=of, statistic="std_unbiased"),
                f"{of} first8": _part(golden["first8"], tolerance, of, {"stop": 8}),
                f"{of} last4": _part(golden["last4"], tolerance, of, {"start": -4}),
            }
    return expected


def _part(value: Any, tolerance: Tolerance, of: str, index: dict[str, int]) -> dict[str, Any]:
    return expect(value, tolerance, of=of, flat=True, index=[index])


def _sound_features(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = {"id", "config", "num_classes", "fill_seed", "wave", "intervals", "sampling_rate"}
    require_known(name, content, known | {"num_features", "set_index", "tolerance", "tolerances"})
    rate = content.get("sampling_rate") or RATES.get(_config(content)) or content["wave"]["sr"]
    return {
        "operation": "sound_features",
        "arguments": _size(content, sidecar, name)
        | {
            "sound_rate": content["wave"]["sr"],
            "sample_rate": rate,
            "intervals": content["intervals"],
            "views": content.get("num_features", 1),
            "view": content.get("set_index", 0),
        },
        "inputs": {"waveform": _sound(content["wave"]), "weights": fill(content["fill_seed"])},
        "expected": _outputs(sidecar, name, content),
        "source": texts(content, "config"),
    }


def _sound(wave: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source of a sound as a 16-bit file holds it."""
    kind, common = wave["kind"], {"kind", "sr", "n"}
    if kind in ("rule", "stereo_rule"):
        require_known("wave", wave, common | {"name", "seed", "scale"})
        names = [f"{wave['name']}/{side}" for side in ("left", "right")]
        names = names if kind == "stereo_rule" else [wave["name"]]
        channels = [_noise(each, wave) for each in names]
    elif kind == "tones":
        require_known("wave", wave, common | {"partials"})
        channels = [[{"sine": f, "amplitude": a} for f, a in wave["partials"]]]
    elif kind == "chirp":
        require_known("wave", wave, common | {"f0", "slope", "amp", "decay", "period"})
        envelope = {"decay": wave["decay"], "period": wave["period"]}
        sweep = [wave["f0"], wave["slope"]]
        channels = [[{"sweep": sweep, "amplitude": wave["amp"], **envelope}]]
    elif kind == "impulses":
        require_known("wave", wave, common | {"at", "amp"})
        channels = [[{"impulses": wave["at"], "amplitude": wave["amp"]}]]
    elif kind == "silence":
        require_known("wave", wave, common)
        channels = [[]]
    else:
        raise Refused(f"a sound of the kind {kind!r}")
    rounding = {"times": 32768, "rounding": "nearest"}
    return {
        "sound": {
            "samples": wave["n"],
            "rate": wave["sr"],
            "channels": channels,
            "int16": rounding,
        }
    }


def _noise(name: str, wave: Mapping[str, Any]) -> list[dict[str, Any]]:
    scale = wave["scale"]

    def golden(draws: np.ndarray) -> np.ndarray:
        return np.rint((scale * draws).astype(np.float32).astype(np.float64) * 32768)

    return int16_noise(name, wave["n"], wave["seed"], scale, golden)


def _state_dict(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    require_known(name, content, {"total_entries", "parameters", "backbone", "heads"})
    backbone, cases = content["backbone"], []
    for config, heads in content["heads"].items():
        num_classes = [shape[0] for weight, shape, _ in heads if weight.endswith(".weight")]
        expected = {"entries": expect(backbone + heads)}
        if len(num_classes) == 1 and "total_entries" in content:
            expected["total_entries"] = expect(content["total_entries"])
        if config in content.get("parameters", {}):
            expected["parameters"] = expect(content["parameters"][config])
        arguments = {"num_classes": num_classes, "width": backbone[0][1][0]}
        case = {"operation": "state_dict", "arguments": arguments, "expected": expected}
        cases.append({"id": config, **case})
    return cases


def _packing(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    require_known(name, content, {"frames", "alpha", "slow_indices", "fast_is_input"})
    indices = content["slow_indices"]
    expected = {"slow_indices": expect(indices), "slow": expect(indices)}
    if "fast_is_input" in content:
        if not content["fast_is_input"]:
            raise Refused(f"{name}: a fast pathway that is not the input")
        expected["fast"] = expect(list(range(content["frames"])))
    arguments = {"frames": content["frames"], "alpha": content["alpha"]}
    return {"operation": "packing", "arguments": arguments, "expected": expected}


# --- spectrograms


def _log_mel(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "id dataset sampling_rate wav_file_rate wave start_sec stop_sec set_index num_features"
    known += " stored mean std min max start_audio_sample end_audio_sample num_audio_samples"
    known += " start_idx end_idx slice shape resampled_length resampled_note"
    require_known(name, content, {*known.split(), "tolerance", "tolerances"})
    if content["stored"] not in ("full", "frames"):
        raise Refused(f"{name}: stored {content['stored']!r}")
    tolerance = computed(find_tolerance(("mel",), content, sidecar.content))
    own = sidecar.own(name)
    index = None if content["stored"] == "full" else [sidecar.content["frames_stored"]]
    expected = {
        "log_mel": expect(array=own["mel"], index=index, tolerance=tolerance),
        "log_mel of the slice alone": expect(
            array=own["mel"], index=index, tolerance=tolerance, of="log_mel_of_slice"
        ),
    }
    for statistic in ("mean", "std", "min", "max"):
        if statistic in content:
            golden = expect(content[statistic], tolerance, of="log_mel", statistic=statistic)
            expected[f"log_mel {statistic}"] = golden
    if "shape" in content:
        expected["log_mel shape"] = expect(content["shape"][1:], of="log_mel", statistic="shape")
    expected |= _cut(content) | _resampled(sidecar, name, content)
    return {
        "operation": "log_mel",
        "arguments": {
            "sound_rate": content["wave"]["sr"],
            "sample_rate": content["sampling_rate"],
            "start_s": content["start_sec"],
            "stop_s": content["stop_sec"],
            "views": content["num_features"],
            "view": content["set_index"],
        },
        "inputs": {"waveform": _sound(content["wave"])},
        "expected": expected,
        "source": texts(content, "dataset"),
    }


def _cut(content: Mapping[str, Any]) -> dict[str, Any]:
    expected = {}
    for i, key in enumerate(("start_audio_sample", "end_audio_sample")):
        if key in content:
            expected[key] = expect(content[key], of="samples", index=[[i]]) | {
                "value": [content[key]]
            }
    # For an interval shorter than a window the sidecars note a slice that is not used.
    length = round(content["stop_sec"] * content["sampling_rate"])
    length -= round(content["start_sec"] * content["sampling_rate"])
    if "slice" in content and length > content["slice"][1] - content["slice"][0]:
        expected["slice"] = expect(content["slice"])
    return expected


def _resampled(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    expected = {}
    for array, key in sidecar.own(name).items():
        part = re.fullmatch(r"resampled_(tail|\d+)_(\d+)", array)
        if part is None and array != "mel":
            raise Refused(f"{name}: an array {array!r}")
        if part is not None:
            tolerance = computed(find_tolerance((array,), content, sidecar.content))
            ends = {"start": -int(part[2])}
            if part[1] != "tail":
                ends = {"start": int(part[1]), "stop": int(part[2])}
            expected[array] = expect(array=key, of="waveform", index=[ends], tolerance=tolerance)
    if "resampled_length" in content:
        shape = [content["resampled_length"]]
        expected["waveform shape"] = expect(shape, of="waveform", statistic="shape")
    return expected


def _spec_augment(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    given = content["input"]
    require_known(f"{name}: input", given, {"name", "seed", "T"})
    shape = [N_MELS, given["T"]]
    # "input": "rule_input(name,(1,128,T),seed,2.0) - 5.0 (float32)"
    said = str(sidecar.content.get("input", ""))
    numbers = re.fullmatch(
        rf"rule_input\(name,\(1,{N_MELS},T\),seed,{NUMBER}\) - {NUMBER} \(float32\)", said
    )
    if numbers is None:
        raise Refused(f"{name}: an input {said!r}")
    source = rule(given["name"], shape, given["seed"], float(numbers[1]), -float(numbers[2]))
    inputs = {"log_mel": source}
    if "R" in content:
        inputs["matrix"] = {"value": content["R"]}
    if content["op"] == "time_warp":
        return {"inputs": inputs, **_warp(sidecar, name, content)}
    inputs["draws"] = {"value": content["draws"]}
    make = _combined if content["op"] == "combined_transforms" else _mask
    return {"inputs": inputs, **make(sidecar, name, content)}


def _warp(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "id op W input column_index distance value_at_column R max_abs_flow closed_form_max_err"
    require_known(name, content, {*known.split(), "tolerance", "tolerances"})
    own, rows = sidecar.own(name), [sidecar.content["rows_stored_for_warp"]]
    flow, out = (computed(_warp_tolerance(sidecar, content, array)) for array in ("flow", "out"))
    expected = {
        "flow": expect(array=own["flow"], index=rows, tolerance=flow),
        "out": expect(array=own["out"], index=rows, tolerance=out),
    }
    if "value_at_column" in content:
        expected["value"] = expect(content["value_at_column"], flow)
    if "max_abs_flow" in content:
        expected["max_abs_flow"] = expect(content["max_abs_flow"], flow)
    arguments = {"column": content["column_index"], "distance": content["distance"]}
    return {"operation": "time_warp", "arguments": arguments, "expected": expected}


def _warp_tolerance(sidecar: Sidecar, content: Mapping[str, Any], array: str) -> Tolerance:
    """Read `flow: abs 1e-4 + rel 1e-4; out: abs 1e-3 (...)`, listed under `warp`."""
    for source in (content, sidecar.content):
        listed = source.get("tolerance")
        if isinstance(listed, Mapping) and "warp" in listed:
            return find_tolerance((array,), {"tolerance": listed["warp"]})
    return find_tolerance(("warp", array), content, sidecar.content)


def _mask(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "id op num_masks param input draws draw_ranges changed fill_values mean_of_output"
    require_known(name, content, {*known.split(), "tolerance", "tolerances"})
    if content["op"] not in MASKS:
        raise Refused(f"{name}: an operation {content['op']!r}")
    tolerance = computed(find_tolerance(("masks",), content, sidecar.content))
    axis = 0 if content["op"] == "freq_mask" else 1
    expected = {
        f"array {n}": expect(array=k, of="out", tolerance=tolerance)
        for n, k in sidecar.own(name).items()
    }
    expected |= {"draws_left": expect([])}
    if "draw_ranges" in content:
        expected["draw_ranges"] = expect(content["draw_ranges"])
    if "mean_of_output" in content:
        mean = expect(content["mean_of_output"], tolerance, of="out", statistic="mean")
        expected["mean_of_output"] = mean
    if "changed" in content:
        of = "changed_bands" if axis == 0 else "changed_frames"
        expected["changed"] = expect(content["changed"], of=of)
        if content["changed"]:
            fills = _fills(content, axis)
            index = [content["changed"]] if axis == 0 else [None, content["changed"]]
            for statistic in ("min", "max"):
                keys = {"of": "out", "index": index, "statistic": statistic, "axes": [1 - axis]}
                expected[f"fill_values, {statistic}"] = expect(fills, tolerance, **keys)
    step = {"name": MASKS[content["op"]], "max_width": content["param"]}
    steps = [step | {"masks": content["num_masks"]}]
    return {"operation": "spec_augment", "arguments": {"steps": steps}, "expected": expected}


def _fills(content: Mapping[str, Any], axis: int) -> list[float]:
    """Return the golden value that each changed row is filled with.

    Of the values that are listed it is the one nearest to the mean of what the masks before left.
    """
    given = content["input"]
    shape = (N_MELS, given["T"])
    x = 2 * rule_generator(given["name"], given["seed"]).standard_normal(shape) - 5
    rows, draws = np.moveaxis(x, axis, 0), list(content["draws"])
    listed = np.asarray(content["fill_values"])
    fills: dict[int, float] = {}
    while len(draws) > 2:
        _, first, stop, *draws = draws
        mean = rows.mean()
        rows[first:stop] = mean
        fills |= dict.fromkeys(range(first, stop), listed[np.abs(listed - mean).argmin()])
    if sorted(fills) != content["changed"]:
        raise Refused("its draws mask other rows than those that changed")
    return [float(fills[row]) for row in content["changed"]]


def _combined(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "id op order input draws draw_ranges R tolerance tolerances"
    require_known(name, content, known.split())
    steps: list[dict[str, Any]] = []
    for operation, arguments in ORDER.findall(content["order"]):
        sizes = [int(size) for size in re.findall(r"\d+", arguments)]
        if operation == "time_warp" and len(sizes) == 1:
            steps.append({"name": operation, "max_distance": sizes[0]})
        elif operation in MASKS and len(sizes) == 2:
            steps.append({"name": MASKS[operation], "max_width": sizes[0], "masks": sizes[1]})
        else:
            raise Refused(f"{name}: an operation {operation}({arguments})")
    if not steps or ORDER.sub("", content["order"]).strip(", "):
        raise Refused(f"{name}: an order {content['order']!r}")
    tolerance = computed(find_tolerance(("combined", "out"), content, sidecar.content))
    expected = {"out": expect(array=sidecar.own(name)["out"], tolerance=tolerance)}
    if "draw_ranges" in content:
        expected["draw_ranges"] = expect(content["draw_ranges"])
    expected["draws_left"] = expect([])
    return {"operation": "spec_augment", "arguments": {"steps": steps}, "expected": expected}


# --- tables


def _intervals(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "video_id num_frames fps window hop video_length rows columns dtypes index_name"
    known += " kept_rows table sum_start_frame sum_stop_frame sum_start_sec tolerance tolerances"
    require_known(name, content, known.split())
    expected = {"rows": expect(content["rows"])}
    for i, column in enumerate((content["index_name"], *content["columns"])):
        values = [row[i] for row in content["table"]]
        is_float = any(isinstance(value, float) for value in values)
        tolerance = Tolerance(0, 1e-12) if is_float else EXACT
        expected[column] = expect(values, tolerance, index=[content["kept_rows"]])
    for column in ("start_frame", "stop_frame", "start_sec"):
        if f"sum_{column}" in content:
            tolerance = EXACT
            if column == "start_sec":
                tolerance = computed(
                    find_tolerance((f"sum_{column}",), content, sidecar.content), "float64"
                )
            golden = expect(content[f"sum_{column}"], tolerance, of=column, statistic="sum")
            expected[f"sum_{column}"] = golden
    names = ("video_id", "num_frames", "fps", "window", "hop")
    arguments = {key: content[key] for key in names}
    return {"operation": "intervals", "arguments": arguments, "expected": expected}


def _arrange(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    require_known(name, content, {"rows", "features_shape", "output_row_source", "tolerance"})
    prefix = "" if "features" in sidecar.arrays else f"{name}/"
    expected = {"rows": expect(content["output_row_source"])}
    for video in content["output_row_source"]:
        expected[f"out/{video}"] = expect(array=f"{prefix}out/{video}")
    ids = {"value": [interval_id for interval_id, _ in content["rows"]]}
    inputs = {"features": {"array": f"{prefix}features"}, "ids": ids}
    return {"operation": "arrange", "inputs": inputs, "expected": expected}


# --- training


def _rates(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    require_known(name, content, {"solver", "epoch", "lr", "id", "tolerance"})
    tolerance = computed(find_tolerance(("lr",), content, sidecar.content), "float64")
    return {
        "operation": "learning_rate",
        "arguments": {"solver": content["solver"]},
        "inputs": {"epochs": {"value": content["epoch"]}},
        "expected": {"learning_rate": expect(content["lr"], tolerance)},
    }


def _metrics(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    numbers = ("top1_acc", "top5_acc", "mAP", "mAUC", "d_prime", "mPCA")
    require_known(name, content, {*numbers, "PCA", "seen_classes", "tolerance", "id"})
    prefix = "" if "probs" in sidecar.arrays else f"{name}/"
    expected = {}
    for key in numbers:
        if key in content:
            tolerance = computed(find_tolerance((key,), content, sidecar.content))
            expected[key] = expect(content[key], tolerance)
    if "PCA" in content:
        expected["PCA"] = expect(content["PCA"], ROUNDED)
    if "seen_classes" in content:
        expected["seen_classes"] = expect(int(content["seen_classes"]))
    inputs = {key: {"array": f"{prefix}{key}"} for key in ("probs", "labels")}
    return {"operation": "recognition_metrics", "inputs": inputs, "expected": expected}


def _train_steps(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    known = "id config bn_frozen lr steps fill_seed input losses grad_norm_step0 param_change_norm"
    known += " buffers groups bn_layers_in_train_mode labels precise_bn num_classes"
    require_known(name, content, {*known.split(), "tolerance", "tolerances"})
    optimizer, groups = _optimizer(str(sidecar.content.get("optimizer", "")), content["lr"])
    arguments = _size(content, sidecar, name) | {
        "dtype": "float64",
        "steps": content["steps"],
        "optimizer": optimizer,
        "parameter_groups": groups,
        "freeze_batch_norm": content["bn_frozen"],
        "dropout": None,
        "gradient_clipping": None,
    }

    def allowed(*names: str) -> Tolerance:
        return computed(find_tolerance(names, content, sidecar.content), "float64")

    expected: dict[str, Any] = {
        "groups": expect(content["groups"]),
        "batch_norms_in_training": expect(content["bn_layers_in_train_mode"]),
        "loss": expect(content["losses"], allowed("losses")),
    }
    settings = {key: value for key, value in optimizer.items() if key != "lr"}
    if (settings, groups) == PUBLISHED_RECIPE:  # then the library has it of its own, too
        expected |= {"recipe": expect(settings), "published_groups": expect(content["groups"])}
    for array, key in sidecar.own(name).items():
        if array != "train_logits_step0":
            raise Refused(f"{name}: an array {array!r}")
        expected["logits of the first step"] = expect(
            array=key, of="logits", tolerance=allowed(array)
        )
    for kind, key in (("gradients", "grad_norm_step0"), ("changes", "param_change_norm")):
        for parameter, norm in content.get(key, {}).items():
            of = f"{kind}/{parameter}"
            golden = expect(norm, allowed(key), of=of, statistic="norm")
            expected[f"{of} norm"] = golden
    expected |= _buffers(content["buffers"], "buffers", allowed("buffers"))
    if "precise_bn" in content:
        arguments["precise_batches"] = _precise_batches(content)
        buffers = content["precise_bn"]["buffers"]
        expected |= _buffers(buffers, "precise_buffers", allowed("precise_bn"))
    inputs = {
        "log_mel": _rule(content["input"]),
        "labels": {"value": content["labels"]},
        "weights": fill(content["fill_seed"]),
    }
    source = texts(content, "config")
    case = {"operation": "train_steps", "arguments": arguments, "inputs": inputs}
    return case | {"expected": expected, "source": source}


def _optimizer(text: str, rate: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = OPTIMIZER.fullmatch(text)
    if found is None:
        raise Refused(f"an optimizer {text!r}")
    momentum, nesterov, dampening, norm_decay, part, decay = found.groups()
    settings = {
        "name": "SGD",
        "lr": rate,
        "momentum": float(momentum),
        "nesterov": nesterov is not None,
        "dampening": float(dampening),
    }
    groups = [{"name_contains": [part], "weight_decay": float(norm_decay)}]
    return settings, [*groups, {"weight_decay": float(decay)}]


def _precise_batches(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    note = str(content["precise_bn"].get("note", ""))
    found, items = PRECISE_NOTE.match(note), content["input"]["shape"][0]
    if found is None:
        raise Refused(f"batches of precise statistics: {note!r}")
    second = {"items": items - 1, "reversed": True, "scale": float(found[1])}
    return [{"items": items, "reversed": False, "scale": 1.0}, second]


def _buffers(golden: Mapping[str, Any], kind: str, tolerance: Tolerance) -> dict[str, Any]:
    expected = {}
    for name, values in golden.items():
        require_known(name, values, {"mean", "first4"})
        of = f"{kind}/{name}"
        expected[f"{of} mean"] = expect(values["mean"], tolerance, of=of, statistic="mean")
        first = expect(values["first4"], tolerance, of=of, index=[{"stop": 4}])
        expected[f"{of} first4"] = first
    return expected


# The first whose keys a case has.
KINDS = {
    "train_steps": {"input", "fill_seed", "lr", "steps", "losses"},
    "log_mel": {"wave", "start_sec", "stop_sec", "set_index"},
    "sound_features": {"wave", "intervals", "fill_seed"},
    "forward": {"input", "fill_seed", "config"},
    "forward_of_classes": {"input", "fill_seed", "num_classes"},
    "packing": {"frames", "alpha", "slow_indices"},
    "state_dict": {"backbone", "heads"},
    "spec_augment": {"op", "input"},
    "intervals": {"num_frames", "fps", "window", "hop"},
    "arrange": {"rows", "output_row_source"},
    "learning_rate": {"solver", "epoch", "lr"},
    "metrics": {"top1_acc", "mPCA"},
}
CONVERTERS = {
    "train_steps": _train_steps,
    "log_mel": _log_mel,
    "sound_features": _sound_features,
    "forward": _forward,
    "forward_of_classes": _forward,
    "packing": _packing,
    "state_dict": _state_dict,
    "spec_augment": _spec_augment,
    "intervals": _intervals,
    "arrange": _arrange,
    "learning_rate": _rates,
    "metrics": _metrics,
}
