"""Sidecars of the visual features, and of VGGish, which goes with VGG-19."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.rand_augment import generators, omnivore_draws, videomae_draws
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
    keep_used,
    require_known,
    rule,
)
from converters.waves import wave_sound

SCALED_BY_HEIGHT = "epickitchens"  # the original makes slivers of its portrait videos
DEPTH_INPUT = "depth_patch_embed."  # of the published RGB-D input, which videos do not have
BLOCK = re.compile(r"layers\.(\d+)\.blocks\.(\d+)\.norm1\.weight")
INPUT = re.compile(
    rf"(?:{NUMBER} \* )?rule_input\('([^']*)', \(([\d, ]+)\), (\d+)(?:, {NUMBER})?\)"
)
COLUMNS = ("start_sec", "stop_sec", "narration_sec", "start_frame", "stop_frame")
EXACT_64 = Tolerance(0, 1e-12)  # of numbers that are computed in float64
WEIGHTS_BY_NAME = {"trunk", "state_dict"}


def convert(sidecar: Sidecar) -> Converted | None:
    """Return a sidecar in format 1, None where it is of another system."""
    given = sidecar.cases()
    if isinstance(sidecar.content.get("case"), Mapping):  # vgg19's only one
        given = {sidecar.path.stem: sidecar.content}
    kinds = {name: _kind(content) for name, content in given.items()}
    if None in kinds.values() or not given:
        return None
    arrays, cases = dict(sidecar.arrays), []
    for name, content in given.items():
        cases += CONVERTERS[kinds[name]](sidecar, name, content, arrays)
    about = {"about": str(sidecar.content["what"])} if "what" in sidecar.content else {}
    return keep_used({**about, "cases": cases}, arrays)


def _kind(content: Mapping[str, Any]) -> str | None:
    known = set(content)
    networks = [entry for entry in content.values() if isinstance(entry, Mapping)]
    if any(WEIGHTS_BY_NAME & network.keys() for network in networks):
        known.add("<networks>")
    return next((kind for kind, keys in KINDS.items() if keys <= known), None)


def _described(text: str, shape: list[int] | None = None) -> dict[str, Any]:
    """Return the source of what `3 * rule_input('name', (5, 128), 0)` describes."""
    found = INPUT.fullmatch(text)
    if found is None:
        raise Refused(f"an input {text!r}")
    factor, name, sizes, seed, scale = found.groups()
    drawn = [int(size) for size in re.findall(r"\d+", sizes)]
    if shape is not None and np.prod(shape) != np.prod(drawn):
        raise Refused(f"an input {text!r} for the shape {shape}")
    return rule(name, shape or drawn, int(seed), float(factor or 1) * float(scale or 1))


def _frames(given: Mapping[str, Any]) -> dict[str, Any]:
    require_known("frames", given, {"n", "height", "width", "seed", "order"})
    keys = {"height": given["height"], "width": given["width"], "seed": given["seed"]}
    return {"picture": {"kind": "ramp", "count": given["n"], **keys}}


def _stored(
    name: str, key: str, text: str, arrays: dict[str, np.ndarray]
) -> list[dict[str, int] | list[int] | None] | None:
    """Return the index that `output[:, :, ::32, 3]` means; golden axes of one number are added."""
    if "[" not in text:
        if text not in ("", "whole output"):
            raise Refused(f"{name}: stored {text!r}")
        return None
    found = re.fullmatch(r"\w+\[([-\d:, ]*)\]", text)
    if found is None:
        raise Refused(f"{name}: stored {text!r}")
    index: list[Any] = []
    for axis, part in enumerate(found[1].split(",")):
        ends = part.strip().split(":")
        if len(ends) == 1:
            index.append([int(ends[0])])
            arrays[key] = np.expand_dims(arrays[key], axis)
        else:
            named = zip(("start", "stop", "step"), ends, strict=False)
            index.append({k: int(n) for k, n in named if n} or None)
    return index


# --- Omnivore


def _omnivore(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], _: dict[str, np.ndarray]
) -> list[Any]:
    known = {"name", "model", "fill_seed", "input", "output", "stage_output_shapes", "tolerance"}
    require_known(name, content, known)
    tolerance = computed(find_tolerance(("features",), content, sidecar.content))
    expected = {
        "features": expect(array=name, tolerance=tolerance),
        "features (fused)": expect(array=name, of="fused/features", tolerance=tolerance),
    }
    for stage, shape in content.get("stage_output_shapes", {}).items():
        expected[f"{stage} shape"] = expect(shape, of=stage, statistic="shape")
    inputs = {"clips": _described(content["input"]), "weights": fill(content["fill_seed"])}
    case = {"id": name, "system": "omnivore", "operation": "forward", "inputs": inputs}
    return [case | {"expected": expected, "source": {"model": str(content["model"])}}]


def _omnivore_clip(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    known = "name dataset frames start_stop crop num_frames output_shape narration_id stored mean"
    known += " std row augmentation rng ops_per_frame tolerance"
    require_known(name, content, known.split())
    start, stop = content["start_stop"]
    arguments = {
        "start_frame": start,
        "stop_frame": stop,
        "num_frames": content["num_frames"],
        "crop": content["crop"],
        "scaled": "height" if content["dataset"] == SCALED_BY_HEIGHT else "short_side",
    }
    tolerance = computed(find_tolerance(("output",), content, sidecar.content))
    index = _stored(name, name, str(content.get("stored", "")), arrays)
    expected = {"clip": expect(array=name, index=index, tolerance=tolerance)}
    inputs = {"frames": _frames(content["frames"])}
    if content.get("augmentation"):
        inputs["draws"] = {"value": _omnivore_draws(sidecar, name, content)}
    if "ops_per_frame" in content:
        expected["augmentation"] = expect(content["ops_per_frame"], EXACT_64)
    for statistic in ("mean", "std"):
        if statistic in content:
            expected[statistic] = expect(content[statistic], tolerance)
    if "output_shape" in content:
        shape = expect(content["output_shape"], of="clip", statistic="shape")
        expected["clip shape"] = shape
    case = {"id": name, "system": "omnivore", "operation": "clip", "arguments": arguments}
    return [case | {"inputs": inputs, "expected": expected}]


def _omnivore_draws(sidecar: Sidecar, name: str, content: Mapping[str, Any]) -> list[Any]:
    """Read `random.seed(11); numpy.random.seed(11) once before item 0, then items in order`.

    The clips of a group of cases are made one after the other; those before decide the draws.
    """
    group = name.rpartition("/")[0]
    clips = [
        other
        for other, entry in sidecar.cases().items()
        if entry.get("augmentation") and other.rpartition("/")[0] == group
    ]
    return omnivore_draws(*_generators(content), clips.index(name), content["num_frames"])


def _generators(content: Mapping[str, Any]) -> tuple[Any, Any]:
    found = generators(content["rng"])
    if found is None:
        raise Refused(f"random draws {content['rng']!r}")
    return found


# --- VideoMAE


def _videomae(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], _: dict[str, np.ndarray]
) -> list[Any]:
    require_known(name, content, {"name", "depth", "fill_seed", "input", "outputs", "tolerance"})
    own = sidecar.own(name)
    if unknown := own.keys() - {"verb", "noun"}:
        raise Refused(f"{name}: arrays {sorted(unknown)}")
    expected = {}
    for result, key in ({"features": name} | own).items():
        tolerance = computed(find_tolerance((result,), content, sidecar.content))
        expected[result] = expect(array=key, tolerance=tolerance)
    return [
        {
            "id": name,
            "system": "videomae",
            "operation": "forward",
            "arguments": {"depth": content["depth"]},
            "inputs": {
                "clips": _described(content["input"]),
                "weights": fill(content["fill_seed"]),
            },
            "expected": expected,
        }
    ]


def _videomae_clip(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    known = "name frames start_stop augmented rng output_shape stored mean std tolerance"
    require_known(name, content, known.split())
    start, stop = content["start_stop"]
    arguments = {"start_frame": start, "stop_frame": stop}
    inputs = {"frames": _frames(content["frames"])}
    if content["augmented"]:
        since = re.search(r"before item (\d+)", content["rng"])
        before = int(name.rpartition("/")[2]) - (int(since[1]) if since else 0)
        inputs["draws"] = {"value": videomae_draws(*_generators(content), before)}
    tolerance = computed(find_tolerance(("output",), content, sidecar.content))
    index = _stored(name, name, content["stored"], arrays)
    expected = {"clip": expect(array=name, index=index, tolerance=tolerance)}
    if "output_shape" in content:
        shape = expect(content["output_shape"], of="clip", statistic="shape")
        expected["clip shape"] = shape
    for statistic in ("mean", "std"):
        if statistic in content:
            keys = {"of": "clip", "statistic": statistic, "axes": [1, 2, 3]}
            golden = expect(content[statistic], tolerance, **keys)
            expected[f"clip {statistic}"] = golden
    case = {"id": name, "system": "videomae", "operation": "clip", "arguments": arguments}
    return [case | {"inputs": inputs, "expected": expected}]


# --- VGG-19 and VGGish


def _vgg19(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    c = content.get("case", content)
    known = "name fill_seed frames seconds frames_per_second_sampled indices output_shape stored"
    known += " absmax frame_sampling_examples tolerance preprocessing"
    require_known(name, c, known.split())
    key = "features" if "features" in arrays else f"{name}/features"
    tolerance = computed(find_tolerance(("features",), c, content, sidecar.content))
    index = _stored(name, key, c.get("stored", "features[:]"), arrays)
    expected = {"features": expect(array=key, index=index, tolerance=tolerance)}
    if "indices" in c:
        expected["indices"] = expect(c["indices"])
    if "output_shape" in c:
        shape = expect(c["output_shape"], of="features", statistic="shape")
        expected["features shape"] = shape
    if "absmax" in c:
        expected["abs_max"] = expect(c["absmax"], tolerance)
    arguments = {"seconds": c["seconds"], "per_second": c["frames_per_second_sampled"]}
    arguments["order"] = c["frames"].get("order", "RGB")
    inputs = {"frames": _frames(c["frames"]), "weights": fill(c["fill_seed"])}
    case = {"id": name, "system": "vgg19", "operation": "forward", "arguments": arguments}
    cases = [case | {"inputs": inputs, "expected": expected}]
    return cases + [_sampling(name, given) for given in c.get("frame_sampling_examples", ())]


def _sampling(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    require_known(name, given, {"frames", "seconds", "per_second", "first", "last"})
    arguments = {key: given[key] for key in ("frames", "seconds", "per_second")}
    first = {"of": "indices", "index": [{"stop": len(given["first"])}]}
    last = {"of": "indices", "index": [{"start": -len(given["last"])}]}
    return {
        "id": f"{name}/{given['frames']} frames, {given['seconds']} s, {given['per_second']}",
        "system": "vgg19",
        "operation": "sampled_frames",
        "arguments": arguments,
        "expected": {
            "first": expect(given["first"], **first),
            "last": expect(given["last"], **last),
        },
    }


def _vggish(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> list[Any]:
    known = "name wave resampled_with_resampy fill_seed examples embedding_absmax pca_input"
    require_known(name, content, {*known.split(), "per_second", "tolerance"})
    own, cases, wave = sidecar.own(name), [], content["wave"]
    if unknown := own.keys() - {"examples", "per_second", "embedding", "pca_uint8"}:
        raise Refused(f"{name}: arrays {sorted(unknown)}")
    expected = {}
    for array, key in own.items():
        if array != "pca_uint8":
            tolerance = _vggish_tolerance(sidecar, content, array, arrays[key])
            expected[array] = expect(array=key, tolerance=tolerance)
    for array in ("examples", "per_second"):
        if array in content and (array in own or array == "examples"):
            shape = expect(content[array], of=array, statistic="shape")
            expected[f"{array} shape"] = shape
    inputs = {"waveform": wave_sound(wave, wave.get("name", name))}
    if "embedding" in own:
        inputs["weights"] = fill(content["fill_seed"])
        tolerance = _vggish_tolerance(sidecar, content, "embedding", arrays[own["embedding"]])
        if "embedding_absmax" in content:
            expected["abs_max"] = expect(content["embedding_absmax"], tolerance)
    case = {"id": name, "system": "vggish", "operation": "forward", "inputs": inputs}
    cases.append(case | {"arguments": {"sample_rate": wave["sr"]}, "expected": expected})
    if "pca_uint8" in own:
        key = own["pca_uint8"]
        tolerance = _vggish_tolerance(sidecar, content, "pca_uint8", arrays[key])
        cases.append(
            {
                "id": f"{name}/8 bits",
                "system": "vggish",
                "operation": "quantise",
                "inputs": {"embedding": _described(content["pca_input"])},
                "expected": {"pca_uint8": expect(array=key, tolerance=tolerance)},
            }
        )
    return cases


def _vggish_tolerance(
    sidecar: Sidecar, content: Mapping[str, Any], array: str, golden: np.ndarray
) -> Tolerance:
    """Read `examples 1e-5 (1e-3 where resampled); embedding 1e-5 of its maximum; ... +-1`."""
    name = "examples" if array == "per_second" else array
    text = content.get("tolerance", sidecar.content.get("tolerance"))
    clauses = text.split(";") if isinstance(text, str) else []
    clause = next((part for part in clauses if part.strip().startswith(f"{name} ")), None)
    if clause is None:
        return computed(find_tolerance((array, name), content, sidecar.content))
    resampled = re.search(rf"\({NUMBER} where resampled\)", clause)
    if resampled and content.get("resampled_with_resampy"):
        return Tolerance(float(resampled[1]))
    if steps := re.search(r"\+-(\d+)", clause):
        return Tolerance(float(steps[1]))
    size = float(re.findall(NUMBER, clause.replace(name, ""))[0])
    largest = float(np.abs(golden).max(initial=0.0))
    return computed(Tolerance(size * largest if "of its maximum" in clause else size))


# --- tables


def _tables(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], _: dict[str, np.ndarray]
) -> list[Any]:
    kinds = {"omnivore_frame_indices": "omnivore", "videomae_frame_indices": "videomae"}
    require_known(name, content, {*kinds, "interval_tables"})
    cases = []
    for key, system in kinds.items():
        for i, row in enumerate(content.get(key, ())):
            require_known(key, row, {"start_frame", "stop_frame", "frames_in_video", "indices"})
            arguments = {k: row.get(k) for k in ("start_frame", "stop_frame", "frames_in_video")}
            if system == "omnivore":
                arguments["num_frames"] = len(row["indices"])
            case = {"id": f"{system} {i}", "system": system, "operation": "frames"}
            expected = {"numbers": expect(row["indices"])}
            cases.append(case | {"arguments": arguments, "expected": expected})
    tables = enumerate(content.get("interval_tables", ()))
    return cases + [_interval_table(f"intervals {i}", table) for i, table in tables]


def _interval_table(name: str, golden: Mapping[str, Any]) -> dict[str, Any]:
    known = {"fps", "frames", "interval", "hop", "n_rows", "first_index", "last_index", "dtypes"}
    require_known(name, golden, known | set(COLUMNS))
    expected = {"rows": expect(golden["n_rows"])}
    if golden["n_rows"]:
        ends = [golden["first_index"], golden["last_index"]]
        expected["first and last"] = expect(ends, of="narration_id", index=[[0, -1]])
    for column in COLUMNS:
        if column in golden:
            tolerance = EXACT if column.endswith("frame") else EXACT_64
            expected[column] = expect(golden[column], tolerance)
    arguments = {
        "video_id": (golden["first_index"] or "video_1").rpartition("_")[0],
        "num_frames": golden["frames"],
        "fps": golden["fps"],
        "window": golden["interval"],
        "hop": golden["hop"],
    }
    case = {"id": name, "system": "auditory_slowfast", "operation": "intervals"}
    return case | {"arguments": arguments, "expected": expected}


def _rearrange(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], _: dict[str, np.ndarray]
) -> list[Any]:
    known = "name variant rows num_features dim input features_npy_shape rows_filled files"
    require_known(name, content, {*known.split(), "tolerance"})
    text, _, order = content["input"].partition("; ")
    if order != "item i belongs to row i // num_features, augmentation i % num_features":
        raise Refused(f"{name}: an input {content['input']!r}")
    shape = [len(content["rows"]), content["num_features"], content["dim"]]
    expected = {"videos": expect(sorted(content["files"]))}
    for video, golden_shape in content["files"].items():
        of = f"out/{video}"
        expected[f"{of} shape"] = expect(golden_shape, of=of, statistic="shape")
    for video, key in sidecar.own(name).items():
        expected[f"out/{video}"] = expect(array=key)
    inputs = {
        "features": _described(text, shape),
        "ids": {"value": [interval_id for interval_id, _ in content["rows"]]},
    }
    case = {"id": name, "system": "auditory_slowfast", "operation": "arrange", "inputs": inputs}
    return [case | {"expected": expected}]


def _state_dicts(
    sidecar: Sidecar, name: str, content: Mapping[str, Any], _: dict[str, np.ndarray]
) -> list[Any]:
    cases = []
    for network, entry in content.items():
        if not isinstance(entry, Mapping):
            require_known(name, {network: entry}, ())
            continue
        known = {"checkpoint_keys", "checkpoint_key", "trunk", "heads", "n_trunk_parameters"}
        require_known(network, entry, known | {"n_parameters", "state_dict", "pca"})
        rows = entry.get("trunk", entry.get("state_dict"))
        shapes = {row[0]: row[1] for row in rows}
        n_parameters = entry.get("n_trunk_parameters", entry.get("n_parameters"))
        if "trunk" in entry:
            system, arguments = "omnivore", _trunk_sizes(network, shapes)
            dropped = [shape for row, shape in shapes.items() if row.startswith(DEPTH_INPUT)]
            rows = [row for row in rows if not row[0].startswith(DEPTH_INPUT)]
            if n_parameters is not None:
                n_parameters -= sum(int(np.prod(shape)) for shape in dropped)
        elif "embeddings.0.weight" in shapes:
            system = "vggish"
            arguments = {"width": shapes["features.0.weight"][0]}
            arguments["hidden"] = shapes["embeddings.0.weight"][0]
        elif "patch_embed.proj.bias" in shapes:
            system, arguments = "videomae", _transformer_sizes(shapes)
        else:
            raise Refused(f"{network}: weights of no network of this system")
        expected = {"by_name": expect({row[0]: row[1:] for row in rows})}
        if n_parameters is not None:
            expected["parameters"] = expect(n_parameters)
        case = {"id": network, "system": system, "operation": "state_dict"}
        cases.append(case | {"arguments": arguments, "expected": expected})
    return cases


def _trunk_sizes(network: str, shapes: Mapping[str, list[int]]) -> dict[str, Any]:
    blocks = [int(found[1]) for name in shapes if (found := BLOCK.fullmatch(name))]
    stages = range(max(blocks, default=0) + 1)
    attention = "layers.{}.blocks.0.attn.relative_position_"
    tables = [shapes[f"{attention.format(stage)}bias_table"] for stage in stages]
    n_tokens, n_distances = shapes[f"{attention.format(0)}index"][0], tables[0][0]
    for side in range(1, n_tokens + 1):
        time = n_tokens // side**2
        if time * side**2 == n_tokens and (2 * time - 1) * (2 * side - 1) ** 2 == n_distances:
            return {
                "width": shapes["patch_embed.proj.weight"][0],
                "depths": [blocks.count(stage) for stage in stages],
                "heads": [table[1] for table in tables],
                "window": [time, side, side],
            }
    raise Refused(f"{network}: no square window of {n_tokens} tokens, {n_distances} distances")


def _transformer_sizes(shapes: Mapping[str, list[int]]) -> dict[str, Any]:
    blocks = {found[1] for name in shapes if (found := re.match(r"blocks\.(\d+)\.", name))}
    return {
        "width": shapes["patch_embed.proj.bias"][0],
        "depth": len(blocks),
        "feedforward": shapes["blocks.0.mlp.fc1.bias"][0],
        "classes": [shapes["verb_head.bias"][0], shapes["noun_head.bias"][0]],
    }


# The first whose keys a case has.
KINDS = {
    "omnivore_augmented": {"dataset", "augmentation", "ops_per_frame"},
    "omnivore_transforms": {"dataset", "frames", "crop", "num_frames"},
    "omnivore": {"model", "fill_seed", "input"},
    "omnivore_tables": {"omnivore_frame_indices"},
    "videomae_tables": {"videomae_frame_indices"},
    "interval_tables": {"interval_tables"},
    "rearrange": {"variant", "rows", "num_features"},
    "vgg19": {"case", "preprocessing"},
    "state_dicts": {"<networks>"},
    "vggish": {"wave", "examples", "fill_seed"},
    "vgg19_case": {"frames", "seconds", "frames_per_second_sampled"},
    "videomae": {"depth", "fill_seed", "input"},
    "videomae_transforms": {"frames", "start_stop", "augmented"},
}
CONVERTERS = {
    "omnivore_augmented": _omnivore_clip,
    "omnivore_transforms": _omnivore_clip,
    "omnivore": _omnivore,
    "omnivore_tables": _tables,
    "videomae_tables": _tables,
    "interval_tables": _tables,
    "rearrange": _rearrange,
    "vgg19": _vgg19,
    "state_dicts": _state_dicts,
    "vggish": _vggish,
    "vgg19_case": _vgg19,
    "videomae": _videomae,
    "videomae_transforms": _videomae_clip,
}
