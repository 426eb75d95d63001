"""Sidecars of the soundtrack networks of Kinetics-600."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from converters.formulas import evaluate, image_rule
from converters.sidecar import (
    EXACT,
    NUMBER,
    Converted,
    Refused,
    Sidecar,
    Tolerance,
    computed,
    data_source,
    expect,
    fill,
    find_tolerance,
    int16_noise,
    keep_used,
    require_known,
    rule,
)
from converters.waves import wave_sound

SYSTEM = "soundtrack"
OPTIONS = {"num_classes", "width", "stem_stride", "pool", "dropout", "in_features"}
VARIANTS = ("librosa_0_8", "librosa_0_9")
COLUMNS_DIFFERENCE = "max_abs_difference_if_all_6_columns_were_averaged"
EXACT_64 = Tolerance(0, 1e-12)  # of numbers that are computed in float64
# Of the classifiers of these networks, and of no others.
OWN_NAMES = {"group2.fc.weight", "classifier.6.weight", "lin8.weight", "lin.weight"}
CHANNEL = re.compile(r"round\((\d+)\*rule_input\('([^']*)', ?\((\d+),?\), ?(\d+)\)")
RATE = re.compile(r"\(([\d.]+) kHz")
RECORDING = re.compile(r"shared/data/(\S+\.wav)")
REFUSED = "__refused/"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
LOSS = re.compile(rf"loss {NUMBER} relative for the first (\w+) steps, {NUMBER} afterwards")
RECIPE = re.compile(
    rf"SGD lr {NUMBER} momentum {NUMBER}(?: weight decay {NUMBER})?, "
    rf"MultiStepLR \[([\d, ]*)\] gamma {NUMBER} stepped after each step, cross entropy"
)
CLIPPING = re.compile(rf"max_norm ?=? ?{NUMBER}")
FACTOR = re.compile(rf"fill_by_rule\(model, fill_seed\)(?:, then (\S+) multiplied by {NUMBER})?")


def convert(sidecar: Sidecar) -> Converted | None:
    """Return a sidecar in format 1, None where it is of another system."""
    cases = sidecar.cases()
    kinds = {name: _kind(content) for name, content in cases.items()}
    if None in kinds.values() or not cases:
        return None
    converted: list[dict[str, Any]] = []
    arrays = dict(sidecar.arrays)
    for name, content in cases.items():
        converted += CONVERTERS[kinds[name]](sidecar, name, content, arrays)
    about = {"about": str(sidecar.content["what"])} if "what" in sidecar.content else {}
    return keep_used({"system": SYSTEM, **about, "cases": converted}, arrays)


def _kind(content: Mapping[str, Any]) -> str | None:
    known = set(content)
    entries = [entry for entry in content.values() if isinstance(entry, Mapping)]
    rows = {row[0] for entry in entries for row in entry.get("state_dict", ())}
    if not OWN_NAMES.isdisjoint(rows):
        known.add("<networks>")
    return next((kind for kind, keys in KINDS.items() if keys <= known), None)


# --- images


def _images(sidecar: Sidecar, name: str, content: Mapping[str, Any], _: Any) -> list[Any]:
    known = {"name", "wave", "n_fft", "hop_length", "n_images", "refused", "tolerance"}
    require_known(name, content, known)
    wave = content["wave"]
    inputs = {"waveform": wave_sound(wave, wave.get("name", name))}
    arguments = {"sample_rate": wave["sr"]}
    cases = [_geometry(f"{name}/frames", content, wave["sr"])]
    case = {"id": name, "operation": "images", "arguments": arguments, "inputs": inputs}
    if not content.get("refused"):
        return [*cases, case | {"expected": _image_arrays(sidecar, name, content)}]
    cases.append(case | {"refused": True})
    prefix = f"{name}{REFUSED}"
    refused = {key.removeprefix(prefix): key for key in sidecar.arrays if key.startswith(prefix)}
    for variant, key in refused.items():
        frames = {"n_frames": sidecar.arrays[key].shape[-1]}
        tolerance = computed(find_tolerance((variant,), content, sidecar.content))
        cases.append(
            {
                "id": f"{name}/{variant}",
                "operation": "clip_image",
                "arguments": arguments | frames,
                "inputs": inputs,
                "expected": {variant: expect(array=key, tolerance=tolerance)},
            }
        )
    return cases


def _geometry(case_id: str, content: Mapping[str, Any], rate: int) -> dict[str, Any]:
    expected = {key: expect(content[key]) for key in ("n_fft", "hop_length")}
    arguments = {"sample_rate": rate}
    case = {"id": case_id, "operation": "frame_samples", "arguments": arguments}
    return case | {"expected": expected}


def _image_arrays(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    own, n = sidecar.own(name), content["n_images"]
    if unknown := own.keys() - set(VARIANTS):
        raise Refused(f"{name}: arrays {sorted(unknown)}")
    expected = {}
    for variant in VARIANTS:
        shape = expect([n, 64, 96], of=variant, statistic="shape")
        expected[f"{variant} shape"] = shape
        if variant in own:
            tolerance = computed(find_tolerance((variant,), content, sidecar.content))
            expected[variant] = expect(array=own[variant], tolerance=tolerance)
    return expected


def _channels(sidecar: Sidecar, name: str, content: Mapping[str, Any], _: Any) -> list[Any]:
    known = {"name", "sample_rate", "samples", "channels", "n_images", "tolerance"}
    require_known(name, content, known)
    said, n = content["channels"], content["samples"]
    found = CHANNEL.findall(said)
    if len(found) != said.count("rule_input") or not found:
        raise Refused(f"{name}: channels {said!r}")
    if any(int(length) != n for _, _, length, _ in found):
        raise Refused(f"{name}: channels of other lengths than {n}")
    channels = []
    for factor, rule_name, _, seed in found:
        golden = partial(_int16_steps, factor=int(factor))
        channels.append(int16_noise(rule_name, n, int(seed), int(factor) / 32768, golden))
    rounding = {"times": 32768, "rounding": "nearest"}
    sound = {"samples": n, "rate": content["sample_rate"], "channels": channels}
    return [
        {
            "id": name,
            "operation": "images",
            "arguments": {"sample_rate": content["sample_rate"], "is_int16": True},
            "inputs": {"waveform": {"sound": sound | {"int16": rounding}}},
            "expected": _image_arrays(sidecar, name, content),
        }
    ]


def _int16_steps(draws: np.ndarray, factor: int) -> np.ndarray:
    return np.rint(np.float32(factor) * draws.astype(np.float32)).astype(np.float64)


def _recording(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    require_known(name, content, {"n_fft", "hop_length", "n_images", "arrays", "tolerance"})
    what = content["what"]
    named, rate = RECORDING.search(what), RATE.search(what)
    if named is None or rate is None:
        raise Refused("names no recording shared/data/<file>.wav with its rate")
    expected = {"clips": expect(content["n_images"])}
    for array in list(sidecar.arrays):
        part, _, variant = array.partition("_")
        position = {"first": [0], "last": [content["n_images"] - 1]}.get(part)
        if variant not in VARIANTS or (position is None and part != "mean"):
            raise Refused(f"an array {array!r}")
        tolerance = computed(find_tolerance((array,), content))
        keys = {"of": variant, "statistic": "mean", "axes": [1, 2]}
        if position is not None:
            arrays[array] = arrays[array][None]
            keys = {"of": variant, "index": [position]}
        expected[array] = expect(array=array, tolerance=tolerance, **keys)
    source = {"recording": data_source(sidecar, named[1])}
    case = {"id": name, "operation": "images_of_file", "inputs": source, "expected": expected}
    return [_geometry(f"{name}/frames", content, round(1000 * float(rate[1]))), case]


# --- lists


def _match_index(sidecar: Sidecar, name: str, content: Mapping[str, Any], _: Any) -> list[Any]:
    known = "arrays sha256_of_little_endian_int32 first last video_positions_without_soundtrack"
    known += " identity_positions_after_dropping_the_22 tolerance"
    require_known(name, content, known.split())
    without, index = content["video_positions_without_soundtrack"], sidecar.arrays["index"]
    alone = {
        "id": f"{name}/left_out",
        "operation": "unmatched",
        "arguments": {"n_videos": len(index) + len(without)},
        "inputs": {"index": {"array": "index"}},
        "expected": {"videos_without": expect(without)},
    }
    expected = {"index": expect(array="index"), "videos_without": expect(without)}
    if (digest := content.get("sha256_of_little_endian_int32")) is not None:
        golden = expect(digest, of="index", statistic="sha256", dtype="int32")
        expected["sha256_of_little_endian_int32"] = golden
    for key, part in (("first", "stop"), ("last", "start")):
        if key in content:
            ends = {part: len(content[key]) if key == "first" else -len(content[key])}
            expected[key] = expect(content[key], of="index", index=[ends])
    if "identity_positions_after_dropping_the_22" in content:
        same = content["identity_positions_after_dropping_the_22"]
        expected["identity_positions"] = expect(same)
    inputs = {
        "videos": data_source(sidecar, "k600/Kinetics_600_vallist.txt"),
        "soundtracks": data_source(sidecar, "k600/K600_audio_file.txt"),
    }
    lists = {"id": name, "operation": "match", "inputs": inputs, "expected": expected}
    return [alone, lists]


def _small_lists(sidecar: Sidecar, name: str, content: Mapping[str, Any], _: Any) -> list[Any]:
    known = "videos videos_without_soundtrack soundtracks_in_reference_order"
    require_known(name, content, [*known.split(), "video_index_of_soundtrack"])
    silent, soundtracks = (content[key] for key in known.split()[1:])
    heard = [[label, video] for label, video in content["videos"] if video not in silent]
    order = {
        "id": f"{name}/order",
        "operation": "soundtrack_order",
        "inputs": {"videos": {"value": heard}},
        "expected": {"soundtracks": expect(soundtracks)},
    }
    names = {
        "videos": {"value": [video for _, video in content["videos"]]},
        "soundtracks": {"value": [file for _, file in soundtracks]},
    }
    expected = {
        "index": expect(content["video_index_of_soundtrack"]),
        "names_without": expect(silent),
    }
    matching = {"id": name, "operation": "match", "inputs": names, "expected": expected}
    return [order, matching]


# --- networks


def _networks(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    known = "name network kwargs fill_seed input output_shape output_absmax layer4_shape"
    known += f" pooled_shape tolerance {COLUMNS_DIFFERENCE}"
    require_known(name, content, known.split())
    require_known(f"{name}: kwargs", content["kwargs"], OPTIONS)
    tolerance = computed(_logits_tolerance(sidecar, content))
    expected = {"logits": expect(array=name, tolerance=tolerance)}
    if f"{name}/pooled" in sidecar.arrays:
        expected["pooled"] = expect(array=f"{name}/pooled", tolerance=tolerance)
    for key, of in (("output", "logits"), ("layer4", "layer4"), ("pooled", "pooled")):
        if f"{key}_shape" in content:
            shape = expect(content[f"{key}_shape"], of=of, statistic="shape")
            expected[f"{of} shape"] = shape
    for key, of in (
        ("output_absmax", "logits_abs_max"),
        (COLUMNS_DIFFERENCE, "change_of_all_columns"),
    ):
        if key in content:
            expected[of] = expect(content[key], tolerance)
    network = content["network"].removesuffix("_bn")  # the original has both names for one
    images = image_rule(content["input"], content)
    if images is None:
        arrays[f"{name}/images"] = evaluate(content["input"], content).astype(np.float32)
        images = {"array": f"{name}/images"}
    return [
        {
            "id": name,
            "operation": "forward",
            "arguments": {"network": network, **content["kwargs"]},
            "inputs": {"images": images, "weights": fill(content["fill_seed"])},
            "expected": expected,
        }
    ]


def _logits_tolerance(sidecar: Sidecar, content: Mapping[str, Any]) -> Tolerance:
    """Read `1e-5 of output_absmax of the case`, or what other sidecars have."""
    text = content.get("tolerance", sidecar.content.get("tolerance"))
    of_number = re.match(rf"{NUMBER} of (\w+)", text) if isinstance(text, str) else None
    if of_number is None:
        return find_tolerance(("logits",), content, sidecar.content)
    return Tolerance(float(of_number[1]) * content[of_number[2]], 0.0)


def _state_dicts(sidecar: Sidecar, name: str, content: Mapping[str, Any], _: Any) -> list[Any]:
    cases = []
    for entry_name, entry in content.items():
        if not isinstance(entry, Mapping):
            require_known(name, {entry_name: entry}, ())
            continue
        require_known(entry_name, entry, {"n_parameters", "state_dict"})
        network = re.match(r"(resnet|vgg)\d+|neural_network|logistic", entry_name)
        if network is None:
            raise Refused(f"{entry_name}: names no network")
        rows = entry["state_dict"]
        classes = [shape[0] for weight, shape, _ in rows if weight in OWN_NAMES]
        expected = {"entries": expect(rows)}
        if "n_parameters" in entry:
            expected["parameters"] = expect(entry["n_parameters"])
        arguments = {"network": network[0], "num_classes": classes[-1]}
        case = {"id": entry_name, "operation": "state_dict", "arguments": arguments}
        cases.append(case | {"expected": expected})
    return cases


# --- training


def _train_steps(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    known = "weights input arrays tolerance fill_seed num_classes batch steps layers tag"
    require_known(name, content, known.split())
    text = str(content["tolerance"])
    rows = arrays["rows"]
    columns = {"learning_rate": 0, "loss": 1, "top1": 2, "top5": 3}
    arrays |= {column: rows[:, i].copy() for column, i in columns.items()}
    expected: dict[str, Any] = {
        "learning_rate": expect(array="learning_rate", tolerance=EXACT_64),
        "top1": expect(array="top1", tolerance=Tolerance(1e-6)),
        "top5": expect(array="top5", tolerance=Tolerance(1e-6)),
        **_losses(text, content, arrays),
    }
    found = re.search(rf"final_logits {NUMBER} absolute", text)
    logits = Tolerance(float(found[1])) if found else find_tolerance(("final_logits",), content)
    expected["final_logits"] = expect(array="final_logits", tolerance=computed(logits))
    arguments = {"network": "resnet", "layers": content["layers"]}
    arguments |= {"num_classes": content["num_classes"], **_recipe(content["what"], expected)}
    images = image_rule(content["input"], content)
    if images is None:
        raise Refused(f"an input {content['input']!r}")
    inputs = {"images": images, "labels": {"array": "labels"}, "weights": _weights(content)}
    case = {"id": name, "operation": "train_steps", "arguments": arguments}
    return [case | {"inputs": inputs, "expected": expected}]


def _losses(
    text: str, content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Read `loss 1e-5 relative for the first three steps, 1e-4 afterwards`."""
    found, losses = LOSS.search(text), arrays["loss"].tolist()
    if found is None:
        tolerance = computed(find_tolerance(("loss", "rows"), content))
        return {"loss": expect(losses, tolerance)}
    n = WORDS.index(found[2]) if found[2] in WORDS else int(found[2])
    first, later = (Tolerance(0, float(found[i])) for i in (1, 3))
    return {
        f"loss of the first {n} steps": expect(losses[:n], first, of="loss", index=[{"stop": n}]),
        "loss of later steps": expect(losses[n:], later, of="loss", index=[{"start": n}]),
    }


def _recipe(text: str, expected: dict[str, Any]) -> dict[str, Any]:
    """Read `SGD lr 0.01 momentum 0.9, MultiStepLR [3, 6, 9] gamma 0.1 stepped after ...`."""
    found = RECIPE.search(text)
    if found is None:
        raise Refused(f"a recipe {text!r}")
    rate, momentum, decay, milestones, gamma = found.groups()
    clipping = CLIPPING.search(text)
    if clipping is None and re.search("gradient|max_norm", text):
        raise Refused(f"gradients in the recipe {text!r}")
    norm = float(clipping[1]) if clipping else 0.0  # 0 switches it off
    optimizer = {"name": "SGD", "lr": float(rate), "momentum": float(momentum)}
    optimizer["weight_decay"] = float(decay or 0)
    steps = [int(step) for step in re.findall(r"\d+", milestones)]
    schedule = {"name": "MultiStepLR", "milestones": steps, "gamma": float(gamma)}
    if (optimizer["lr"], optimizer["momentum"], steps) == (0.01, 0.9, [3, 6, 9]):
        # What the library has of its own is the published recipe.
        recipe = {"name": "SGD", "momentum": 0.9, "nesterov": False, "dampening": 0.0}
        expected["recipe"] = expect(recipe, EXACT)
        expected["published_steps"] = expect([0, *steps])
        rates = [optimizer["lr"] * schedule["gamma"] ** i for i in range(len(steps) + 1)]
        expected["published_rates"] = expect(rates, EXACT_64)
    return {
        "optimizer": optimizer,
        "schedule": schedule | {"step_after": "batch"},
        "loss": "cross_entropy",
        "gradient_clipping": norm or None,
    }


def _weights(content: Mapping[str, Any]) -> dict[str, Any]:
    """Read `fill_by_rule(model, fill_seed), then group2.fc.weight multiplied by 0.01`."""
    found = FACTOR.fullmatch(content["weights"])
    if found is None:
        raise Refused(f"weights {content['weights']!r}")
    scale = {found[1]: float(found[2])} if found[1] else None
    return fill(content["fill_seed"], scale=scale)


# --- fusion


def _fusion(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    require_known(name, content, {"arrays", "averaging", "fusion", "tolerance"})
    return [_averaging(content, arrays), _sweep(content, arrays)]


def _averaging(content: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    c = content["averaging"]
    require_known("averaging", c, {"clip_scores", "soundtracks_in_order", "top1", "top5"})
    arrays["clip_scores"] = evaluate(c["clip_scores"], c)
    given = find_tolerance(("scores", "soundtrack_scores"), content)
    tolerance = computed(Tolerance(0.0, given.rel or given.abs))
    expected = {
        "scores": expect(array="soundtrack_scores", tolerance=tolerance),
        "labels": expect(array="soundtrack_labels"),
        "top1": expect(c["top1"], EXACT_64),
        "top5": expect(c["top5"], EXACT_64),
    }
    soundtracks = c["soundtracks_in_order"]
    inputs: dict[str, Any] = {
        "clip_scores": _scores_source(c["clip_scores"], arrays),
        "clips": {"value": [soundtrack["clips"] for soundtrack in soundtracks]},
        "labels": {"value": [soundtrack["label"] for soundtrack in soundtracks]},
    }
    case = {"id": "averaging", "operation": "pooled_scores", "inputs": inputs}
    return case | {"expected": expected}


def _scores_source(text: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    plain = re.fullmatch(rf"rule_input\('([^']*)', \(([\d, ]+)\), (\d+)(?:, {NUMBER})?\)", text)
    if plain is None:
        return {"array": "clip_scores"}
    del arrays["clip_scores"]
    shape = [int(size) for size in re.findall(r"\d+", plain[2])]
    return rule(plain[1], shape, int(plain[3]), float(plain[4] or 1))


def _sweep(content: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    c = content["fusion"]
    require_known("fusion", c, {"n_classes", "n", "audio", "video", "best_record"})
    labels = arrays["ground_truth"].astype(np.int64)
    symbols = {
        **c,
        "N": c["n"],
        "C": c["n_classes"],
        "ground_truth": labels,
        "onehot": lambda classes: np.eye(c["n_classes"])[classes],
    }
    audio = evaluate(c["audio"], symbols).astype(np.float64)
    audio[arrays["zero_rows"]] = 0.0
    arrays |= {"audio": audio, "video": evaluate(c["video"], symbols).astype(np.float32)}
    best = c["best_record"]
    return {
        "id": "sweep",
        "operation": "sweep",
        "arguments": {"weights": len(arrays["sweep"])},
        "inputs": {
            "audio": {"array": "audio"},
            "video": {"array": "video"},
            "labels": {"array": "ground_truth"},
        },
        "expected": {
            "rows": expect(array="sweep", tolerance=EXACT_64),
            "best": expect(best, EXACT_64),
            "fused_at_best": expect(best[1:3], EXACT_64),
        },
    }


# The first whose keys a case has.
KINDS = {
    "images": {"wave", "n_fft", "hop_length", "n_images"},
    "channels": {"samples", "sample_rate", "channels", "n_images"},
    "recording": {"n_fft", "hop_length", "n_images"},
    "match_index": {"video_positions_without_soundtrack"},
    "small_lists": {"videos", "soundtracks_in_reference_order"},
    "networks": {"network", "kwargs", "fill_seed", "input"},
    "state_dicts": {"<networks>"},
    "train_steps": {"layers", "num_classes", "steps", "batch", "weights"},
    "fusion": {"averaging", "fusion"},
}
CONVERTERS = {
    "images": _images,
    "channels": _channels,
    "recording": _recording,
    "match_index": _match_index,
    "small_lists": _small_lists,
    "networks": _networks,
    "state_dicts": _state_dicts,
    "train_steps": _train_steps,
    "fusion": _fusion,
}
