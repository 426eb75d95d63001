"""Sidecars of VALOR, event parsing on LLP."""

import dataclasses
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

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
    require_known,
    rule,
    texts,
)
from converters.tim import array, case

BASELINE: dict[str, Any] = {
    "hidden_dim": 512,
    "nhead": 1,
    "ff_dim": 512,
    "num_layers": 1,
    "norm_where": "post_norm",
    "input_a_dim": 128,
    "input_v_dim": 2048,
}
RENAMED = {"input_a_dim": "audio_dim", "input_v_dim": "visual_dim", "input_st_dim": "motion_dim"}
FEATURES = {"audio": "audio", "video_s": "visual", "video_st": "motion"}
ROWS = {("audio", 128): 10, ("audio", 768): 64, ("video_s", 2048): 80, ("video_s", 768): 10}
SEGMENTS, CLASSES, MOTION = 10, 25, 512
# Soft-max does not change with these, so their gradient is 0 but for rounding.
WITHOUT_GRADIENT = ["fc_frame_att.bias", "fc_av_att.bias", "in_proj_bias"]
WAVE = {"f0": 440.0, "f1": 300.0, "sw": 150.0, "amp": 1.0}  # two tones, the second one rises
CLAP_RATE = 48_000
CLAP_SCALE = math.log(1 / 0.07)  # what the network begins with
CLIP_NAMES = {"hf": ("huggingface", 2.6592), "openclip": ("openai", math.log(1 / 0.07))}
SHAPE = re.compile(r"\[:, :(\d+)\]\.reshape\(N, (\d+), (\d+)\)")
SPLIT = re.compile(r"\b(val|test) (?:annotations|videos)\b")
VIDEOS = {"val": 649, "test": 1200}
SHA256 = {  # of the public label files
    "AVVP_eval_audio.csv": "d5435664668bec6e7eafb39059d2f424ed2682f6b55395262fc3cb691b7d0778",
    "AVVP_eval_visual.csv": "e2274af694f3f27e38b840e0cd91a9d8d9ac85280f193e90828d26b22db69abe",
    "AVVP_test_pd.csv": "3f7a2b040e3b67c15d08efef25002bf8c5b2320f11049eb99ae0eb2d62f8eb9b",
    "AVVP_val_pd.csv": "1811813b54c5f43c3be0a97bd0971cfb8a93818ca7b3ab96cdc7f4ac37ef37a6",
}
OPENAI, HF = "visual.class_embedding", "vision_model.embeddings.class_embedding"
CLAP, VGGISH, PARSER = "audio_branch.bn0.weight", "embeddings.0.weight", "fc_av_att.weight"
COMMON = {"system", "reference", "versions", "file", "arrays", "tolerance", "tolerances"}
COMMON |= {"tolerance_abs", "tolerance_rel", "fill", "input_rule", "optional", "informational"}
COMMON |= {"waveform", "seed", "picture", "model"}
Arrays = dict[str, np.ndarray]
Cases = Iterator[dict[str, Any]]


def convert(sidecar: Sidecar) -> Converted | None:
    """Return the cases of a sidecar of VALOR's, or None."""
    content = sidecar.content
    signs = set(content) | {f"<{name}>" for name in described_arrays(content)}
    signs |= {f"<{name}>" for name in weight_names(content) & {OPENAI, HF, CLAP, VGGISH, PARSER}}
    entries = list(sidecar.cases().values())
    if entries and isinstance(entries[0], Mapping):
        signs |= set(entries[0])
    converter = next((function for needed, function in KINDS if needed <= signs), None)
    if converter is None:
        return None
    arrays = dict(sidecar.arrays)
    cases = []
    for found in converter(sidecar):
        arrays |= found.pop("arrays", {})
        cases.append(found)
    dropped = {name for found in cases for name in found.pop("dropped", ())}
    arrays = {name: x for name, x in arrays.items() if name not in dropped}
    about = {"about": str(content["what"])} if "what" in content else {}
    source = texts(content, "reference", "model", "versions")
    kept = {"source": source} if source else {}
    if content.get("optional") or content.get("informational"):
        kept["informational"] = True
    return Converted({"system": "valor", **about, **kept, "cases": cases}, arrays)


def described_arrays(content: Mapping[str, Any]) -> set[str]:
    arrays = content.get("arrays")
    return set(arrays) if isinstance(arrays, Mapping) else set()


def weight_names(content: Mapping[str, Any]) -> set[str]:
    rows = content.get("tensors")
    return {row[0] for row in rows if row} if isinstance(rows, list) else set()


def known(sidecar: Sidecar, *names: str) -> None:
    require_known(sidecar.path.stem, sidecar.content, COMMON | set(names))


def allowed(sidecar: Sidecar, *names: str) -> Tolerance:
    """Return the tolerance of a computed array of a sidecar, never `exact`."""
    found = find_tolerance(names, sidecar.content)
    dtypes = [str(sidecar.arrays[n].dtype) for n in names if n in sidecar.arrays]
    return computed(found, "float64" if dtypes == ["float64"] else "float32")


def described(entry: Mapping[str, Any]) -> dict[str, Any]:
    require_known("input", entry, {"name", "shape", "seed", "scale", "offset"})
    scale, offset = entry.get("scale", 1.0), entry.get("offset", 0.0)
    return rule(entry["name"], entry["shape"], entry["seed"], scale, offset)


def sizes(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the network of a case: the baseline where none are said."""
    config = content.get("config", BASELINE)
    require_known("config", config, {*BASELINE, *RENAMED})
    network = "valor" if "config" in content else "han"
    return {"network": network} | {RENAMED.get(name, name): x for name, x in config.items()}


def network(sidecar: Sidecar) -> Cases:
    known(sidecar, "config", "fill_seed", "inputs")
    content = sidecar.content
    inputs = {FEATURES[e["name"]]: described(e) for e in content["inputs"]}
    inputs["weights"] = fill(content["fill_seed"])
    expected = {
        name: expect(array=name, tolerance=allowed(sidecar, name)) for name in sidecar.arrays
    }
    yield case(
        sidecar.path.stem, "forward", arguments=sizes(content), inputs=inputs, expected=expected
    )


def network_weights(sidecar: Sidecar) -> Cases:
    known(sidecar, "config", "tensors", "n_tensors", "n_parameters")
    content = sidecar.content
    expected = {"entries": {"value": content["tensors"]}}
    counts = ("n_tensors", "n_parameters")
    expected |= {name: {"value": content[name]} for name in counts if name in content}
    yield case(sidecar.path.stem, "state_dict", arguments=sizes(content), expected=expected)


def first_weights(sidecar: Sidecar) -> Cases:
    known(sidecar, "cases")
    videos = re.search(r"\((\d+) videos", sidecar.content["what"])
    if videos is None:
        raise Refused("the number of videos of an epoch is not understood")
    for name, entry in sidecar.cases().items():
        require_known(name, entry, {"name", "config", "seed", "param_names"})
        order = f"{name}_first_epoch_order"
        arguments = sizes(entry) | {"torch_seed": entry["seed"], "n_videos": int(videos[1])}
        tolerance = allowed(sidecar, f"{name}__f64")
        index = [{"stop": len(sidecar.arrays[order])}]
        expected = {
            "param_names": {"value": entry["param_names"]},
            "digests": expect(array=f"{name}__f64", tolerance=tolerance),
            "first_epoch_order": expect(array=order, index=index),
        }
        yield case(name, "first_weights", arguments=arguments, expected=expected)


def time_map(sidecar: Sidecar) -> Cases:
    known(sidecar)
    expected = {"P": expect(array="P", tolerance=allowed(sidecar, "P"))}
    yield case(sidecar.path.stem, "clap_time_map", expected=expected)


def losses(sidecar: Sidecar) -> Cases:
    known(sidecar)
    sources = {"output": "global_prob", "label": "labels", "audio_pseudo": "audio_labels"}
    sources |= {"visual_pseudo": "visual_labels"}
    sources |= {n: n for n in ("frame_logits", "a_prob", "v_prob")}
    inputs = {of: array(key) for key, of in sources.items() if key in sidecar.arrays}
    names = {"loss_video": "video", "loss_valor_a": "audio", "loss_valor_v": "visual"}
    names |= {"loss_total": "total"}
    expected = {
        key: expect(array=key, tolerance=allowed(sidecar, key), of=f"valor/{name}")
        for key, name in names.items()
        if key in sidecar.arrays
    }
    if (key := "han_losses_a_v_video") in sidecar.arrays:
        values = sidecar.arrays[key].tolist()
        for name, value in zip(("audio", "visual", "video"), values, strict=True):
            expected[f"han_{name}"] = expect(value, allowed(sidecar, key), of=f"han/{name}")
    yield case(sidecar.path.stem, "losses", inputs=inputs, expected=expected)


def learning_rates(sidecar: Sidecar) -> Cases:
    known(sidecar, "cases", "settings", "lr_used_in_epoch_1_to_N")
    renamed = {"warm_up_epoch": "warm_up_epochs", "step_size": "step_epochs"}
    renamed |= {"gamma": "step_factor"}
    steps = re.search(rf"step_size=(\d+), gamma={NUMBER}", sidecar.content.get("reference", ""))
    for name, entry in sidecar.cases().items():
        settings = {renamed.get(n, n): x for n, x in entry["settings"].items()}
        fields = {"scheduler", "lr", "lr_min", "epochs", *renamed.values()}
        require_known(name, settings, fields)
        if settings["scheduler"] == "steplr" and steps:
            said = {"step_epochs": int(steps[1]), "step_factor": float(steps[2])}
            settings = said | settings
        key = "lr_used_in_epoch_1_to_N"
        tolerance = computed(find_tolerance((key,), entry, sidecar.content), "float64")
        expected = {"lr": expect(entry[key], tolerance)}
        yield case(name, "learning_rates", arguments=settings, expected=expected)


def train_steps(sidecar: Sidecar) -> Cases:
    """Yield the case of some training steps."""
    names = {"config", "fill_seed", "optimizer", "inputs", "param_names"}
    known(sidecar, *names, "params_without_gradient")
    content, arrays = sidecar.content, sidecar.arrays
    optimizer = dict(content["optimizer"])
    rates = optimizer.pop("lr_per_step")
    require_known("optimizer", optimizer, {"name", "betas", "eps", "weight_decay"})
    arguments = sizes(content) | {
        "optimizer": {"lr": rates[0], **optimizer},
        "lr_per_step": rates,
        "gradient_clipping": clipping(content["what"]),
        "dropout": False,
    }
    if "dropout off" not in content["what"] and "eval mode" not in content["what"]:
        raise Refused("whether there is dropout is not understood")
    inputs = step_inputs(content, len(rates)) | {"weights": fill(content["fill_seed"])}
    expected = {
        "losses": expect(array="losses", tolerance=relative(sidecar, "losses")),
        "grad_norm": expect(array="grad_norm", tolerance=relative(sidecar, "grad_norm")),
        "param_names": {"value": content["param_names"]},
        "without_gradient": {"value": content["params_without_gradient"]},
    }
    if (key := "param_grad_norm_step0") in arrays:
        tolerance = computed(find_tolerance(("param_grad_norm",), content))
        expected[key] = expect(array=key, tolerance=tolerance, of="param_grad_norm")
    if (key := "param_digest__f64") in arrays:
        expected |= digests(content, arrays[key])
    dropped = ["param_digest__f64"]
    found = case(
        sidecar.path.stem, "train_steps", arguments=arguments, inputs=inputs, expected=expected
    )
    yield found | {"dropped": dropped}


def clipping(text: str) -> float | None:
    """Read the norm in `clip_grad_norm_(max_norm=1)`; 0 is none, as is no such words."""
    found = re.search(rf"max_norm\s*=\s*{NUMBER}", text)
    if found:
        return float(found[1]) or None
    if "clip_grad" in text and not re.search(r"\b(no|without)\b[^,.;]*clip", text):
        raise Refused(f"the norm that gradients are clipped to is not understood: {text!r}")
    return None


def step_inputs(content: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Return the inputs of all steps, which are described in words."""
    text = content["inputs"]
    seed, size = number(r"seed=(\d+)\+i", text), number(r"\bB=(\d+)", text)
    config = content.get("config", BASELINE)
    widths = {"audio": config["input_a_dim"], "video_s": config["input_v_dim"]}
    shapes = {n: [size, ROWS.get((n, width), SEGMENTS), width] for n, width in widths.items()}
    shapes["video_st"] = [size, SEGMENTS, MOTION]
    inputs = {
        FEATURES[name]: {"stack": [rule(name, shape, seed + i) for i in range(steps)]}
        for name, shape in shapes.items()
    }
    segments = [size, SEGMENTS, CLASSES]
    labels = {"label": [size, CLASSES], "pa": segments, "pv": segments}
    names = {"label": "labels", "pa": "audio_labels", "pv": "visual_labels"}
    for name, shape in labels.items():
        if name != "label" and f'"{name}"' not in text and "config" not in content:
            continue  # the baseline has no labels of segments
        above = re.search(rf'rule_input\("{name}",[^>]*> {NUMBER}', text)
        if above is None:
            raise Refused(f"no threshold of {name!r} in {text!r}")
        limit = float(above[1])
        drawn = [rule(name, shape, seed + i, above=limit) for i in range(steps)]
        inputs[names[name]] = {"stack": drawn}
    return inputs


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise Refused(f"no {pattern!r} in {text!r}")
    return int(found[1])


def relative(sidecar: Sidecar, name: str) -> Tolerance:
    """Read the entry `<name>_rel`, or what other sidecars have."""
    given = sidecar.content.get("tolerance")
    if isinstance(given, Mapping) and f"{name}_rel" in given:
        return computed(Tolerance(0.0, float(given[f"{name}_rel"])))
    return allowed(sidecar, name)


def digests(content: Mapping[str, Any], golden: np.ndarray) -> dict[str, Any]:
    """Return the entries of the weights, but for those whose gradient is only rounding."""
    text = content["tolerance"]["digest"]
    ends = re.search(rf"first/last element abs {NUMBER}", text)
    sums = re.search(rf"abs {NUMBER} \* absolute sum \+ {NUMBER}", text)
    if ends is None or sums is None:
        raise Refused(f"not a tolerance of digests: {text!r}")
    left = re.search(r"leave ([\w., ]+?) entries out", text)
    left_out = (*WITHOUT_GRADIENT, *(re.split(r", | and ", left[1]) if left else ()))
    if "leave" in text and left is None:
        raise Refused(f"which digests are left out is not understood: {text!r}")
    expected: dict[str, Any] = {}
    for name, values in zip(content["param_names"], golden.tolist(), strict=True):
        if name.endswith(left_out):
            continue
        of = f"parameters/{name}"
        near = Tolerance(float(ends[1]))
        expected[f"{name} ends"] = expect(values[2:], near, of=of, flat=True, index=[[0, -1]])
        near = Tolerance(float(sums[1]) * values[1] + float(sums[2]))
        for statistic, value in (("sum", values[0]), ("abs_sum", values[1])):
            expected[f"{name} {statistic}"] = expect(value, near, of=of, statistic=statistic)
    return expected


def labels(sidecar: Sidecar) -> Cases:
    known(sidecar, "rows", "filenames")
    rows = sidecar.content["rows"]
    inputs = {name: {"value": rows[name]} for name in ("weak", "audio", "visual")}
    inputs["filenames"] = {"value": sidecar.content["filenames"]}
    expected = {name: expect(array=name) for name in sidecar.arrays}
    yield case(sidecar.path.stem, "labels", inputs=inputs, expected=expected)


def scores(sidecar: Sidecar) -> Cases:
    """Yield the case of scores, and that of the labels of the public files."""
    content = sidecar.content
    records = {f"predicted_{m}_records_first_videos": m for m in ("audio", "visual")}
    known(sidecar, "unpack", "fields_of_aggregate", "filenames", *records)
    stem, own = sidecar.path.stem, dict(sidecar.arrays)
    packed = {n for n in own if n.startswith(("pred_", "gt_"))}
    own |= {name: unpacked(content["unpack"], own[name]) for name in packed}
    has_probs = {"video_prob", "frame_prob"} <= own.keys()
    given = {"gt_audio", "gt_visual"}
    given |= {"video_prob", "frame_prob", "label"} if has_probs else {"pred_audio", "pred_visual"}
    inputs: dict[str, Any] = {name: array(name) for name in sorted(given & own.keys())}
    names = {"pred_audio", "pred_visual", "seg", "event", "classwise_f", "classwise_counts"}
    names |= {"video_level_f"}
    expected: dict[str, Any] = {}
    for name in sidecar.arrays:
        if name in names - given:
            is_float = own[name].dtype.kind == "f"
            tolerance = allowed(sidecar, name) if is_float else EXACT
            expected[name] = expect(array=name, tolerance=tolerance)
        elif name.startswith("aggregate"):
            tolerance = allowed(sidecar, name)
            expected["aggregate"] = expect(array=name, tolerance=tolerance)
        elif name not in given:
            raise Refused(f"unknown array {name!r}")
    for key, modality in records.items():
        if key in content:
            inputs["filenames"] = {"value": content["filenames"]}
            for i, value in enumerate(content[key]):
                expected[f"records/{modality}/{i}"] = {"value": value}
    arguments = {"fields": content["fields_of_aggregate"]}
    changed = {name: own[name] for name in packed}
    found = case(stem, "scores", arguments=arguments, inputs=inputs, expected=expected)
    yield found | {"arrays": changed}
    yield from file_labels(content, stem, own)


def unpacked(text: str, packed: np.ndarray) -> np.ndarray:
    """Return an array of bits as (N, K, T)."""
    found = SHAPE.search(text)
    if found is None:
        raise Refused(f"no shape of the masks in {text!r}")
    bits, classes, seconds = map(int, found.groups())
    return np.unpackbits(packed, axis=1)[:, :bits].reshape(-1, classes, seconds)


def file_labels(content: Mapping[str, Any], stem: str, own: Arrays) -> Cases:
    """Yield the case of labels of the public files, where it is said which videos they are of."""
    split, names = SPLIT.search(content.get("what", "")), content.get("filenames")
    if split is None or (names is None and len(own["gt_audio"]) != VIDEOS[split[1]]):
        return
    files = {"weak": f"AVVP_{split[1]}_pd.csv", "audio": "AVVP_eval_audio.csv"}
    files["visual"] = "AVVP_eval_visual.csv"
    inputs: dict[str, Any] = {
        name: {"data": {"path": f"llp/{file}", "sha256": SHA256[file]}}
        for name, file in files.items()
    }
    if names is not None:
        inputs["filenames"] = {"value": names}
    wanted = [name for name in ("label", "gt_audio", "gt_visual") if name in own]
    expected = {name: expect(array=name) for name in wanted}
    yield case(f"{stem}/files", "file_labels", inputs=inputs, expected=expected)


def event_edges(sidecar: Sidecar) -> Cases:
    known(sidecar, "sequences", "events", "pair_i_j_tp_fp_fn")
    content = sidecar.content
    pairs = content["pair_i_j_tp_fp_fn"]
    inputs = {"sequences": {"value": content["sequences"]}}
    inputs["pairs"] = {"value": [row[:2] for row in pairs]}
    expected = {"events": {"value": content["events"]}, "pairs": {"value": pairs}}
    yield case(sidecar.path.stem, "event_edges", inputs=inputs, expected=expected)


def pseudo_labels(sidecar: Sidecar) -> Cases:
    known(sidecar, "thresholds_visual", "thresholds_audio")
    for modality in ("visual", "audio"):
        yield case(
            f"{sidecar.path.stem}/{modality}",
            "pseudo_labels",
            arguments={"thresholds": sidecar.content[f"thresholds_{modality}"]},
            inputs={"logits": array(f"{modality}_logits"), "weak": array("weak")},
            expected={"labels": expect(array=f"{modality}_pseudo")},
        )


def index_rules(sidecar: Sidecar) -> Cases:
    """Yield the cases of frames and samples that stand for segments."""
    content = sidecar.content
    frames = [name for name in content if re.fullmatch(r"frames\d+", name)]
    known(sidecar, "audio_segments", "audio_stretch", *frames)
    for name in frames:
        yield case(
            name,
            "frame_indices",
            arguments={"chosen": int(name.removeprefix("frames"))},
            inputs={"frames": {"value": [int(n) for n in content[name]]}},
            expected={n: {"value": values} for n, values in content[name].items()},
        )
    if entries := content.get("audio_segments"):
        values = {str(e["n_samples"]): {"value": e["start_stop"]} for e in entries}
        inputs = {"samples": {"value": [e["n_samples"] for e in entries]}}
        yield case("audio_segments", "segment_samples", inputs=inputs, expected=values)
    if entries := content.get("audio_stretch"):
        expected = dict(item for entry in entries for item in stretched(entry))
        inputs = {"samples": {"value": [e["n_samples"] for e in entries]}}
        yield case("audio_stretch", "stretched_samples", inputs=inputs, expected=expected)


def stretched(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    n = entry["n_samples"]
    for name, value in entry.items():
        found = re.fullmatch(r"(first|last|at_k_times_)(\d+)", name)
        if name == "n_samples":
            continue
        if name == "sum":
            yield f"{n} sum", expect(value, of=str(n), statistic="sum")
        elif found is None:
            raise Refused(f"unknown key {name!r}")
        else:
            size = int(found[2])
            index: Any = {"first": {"stop": size}, "last": {"start": -size}}.get(found[1])
            index = index or [k * size for k in range(len(value))]
            yield f"{n} {name}", expect(value, of=str(n), index=[index])


def images(sidecar: Sidecar) -> Cases:
    known(sidecar, "cases")
    edges = {"r2plus1d": (112, 5)}  # rows of what a network sees, and distance of those stored
    for name, entry in sidecar.cases().items():
        require_known(name, entry, {"index", "height", "width", "seed", "picture_checksum_sum"})
        given = {n: entry[n] for n in ("height", "width", "seed")}
        checksum = expect(entry["picture_checksum_sum"], of="image", statistic="sum")
        expected = {"image sum": checksum}
        for key, stored in sidecar.arrays.items():
            prefix, _, result = key.partition("_")
            if prefix == str(entry["index"]):
                size, step = edges.get(result, (224, 9))
                if len(range(0, size, step)) != stored.shape[1]:
                    raise Refused(f"{key}: which rows are stored is not understood")
                index = [None, {"step": step}, {"step": step}]
                expected[result] = expect(array=key, tolerance=allowed(sidecar, key), index=index)
        inputs = {"image": {"picture": {"kind": "waves", **given}}}
        yield case(str(entry["index"]), "image_inputs", inputs=inputs, expected=expected)


def visual_teacher(sidecar: Sidecar) -> Cases:
    """Yield the cases of tokens, and of embeddings by each naming of the weights."""
    from avlib.valor.captions import PUBLISHED_TOKENS

    indices = "caption_indices_used_for_text_arrays"
    known(sidecar, "fill_seed", "inputs", "captions", indices)
    content, arrays = sidecar.content, sidecar.arrays
    stem, captions, tokens = sidecar.path.stem, content["captions"], arrays["token_ids_77"]
    if PUBLISHED_TOKENS.keys() >= set(captions) and len(captions) == len(tokens):
        inputs = {"captions": {"value": captions}}
        expected = {"token_ids": expect(array="token_ids_77")}
        yield case(f"{stem}/tokens", "caption_tokens", inputs=inputs, expected=expected)
    (given,) = (entry for entry in content["inputs"] if entry["name"] == "pixels")
    for prefix, (names, scale) in CLIP_NAMES.items():
        if f"{prefix}_image" not in arrays:
            continue
        rows = used(content.get(indices), len(tokens), len(arrays[f"{prefix}_text"]))
        inputs = {
            "weights": fill(content["fill_seed"]),
            "images": described(given),
            "token_ids": array("token_ids_used"),
        }
        expected = {
            f"{prefix}_{n}": expect(
                array=f"{prefix}_{n}", tolerance=allowed(sidecar, f"{prefix}_{n}"), of=n
            )
            for n in ("image", "text", "logits_per_image")
        }
        found = case(
            f"{stem}/{prefix}",
            "clip_embeddings",
            arguments={"names": names, "logit_scale": scale},
            inputs=inputs,
            expected=expected,
        )
        yield found | {"arrays": {"token_ids_used": tokens[rows]}}


def used(indices: list[int] | None, captions: int, texts: int) -> list[int]:
    """Return which of the case's captions the text arrays are of.

    The numbers may be those of another, longer list; then all captions of the case are used.
    """
    if indices is not None and len(indices) == texts and max(indices, default=0) < captions:
        return list(indices)
    if captions == texts:
        return list(range(captions))
    raise Refused(f"which of {captions} captions {texts} texts are of is not understood")


def wave(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source of two tones and noise."""
    require_known("waveform", parameters, {"n", "N", "seed", *WAVE})
    low, high, sweep, size = (float(parameters.get(n, x)) for n, x in WAVE.items())
    parts = [
        {"amplitude": size * 0.3, "sine": low},
        {"amplitude": size * 0.2, "sweep": [high, 2 * sweep]},
        {"amplitude": size * 0.05, "noise": {"name": "wave", "seed": parameters["seed"]}},
    ]
    samples = parameters.get("n", parameters.get("N"))
    return {"sound": {"samples": samples, "rate": CLAP_RATE, "channels": [parts]}}


def decibels(sidecar: Sidecar, name: str) -> Tolerance:
    """Read the entries for embeddings, feature maps and log-mels, or one for all."""
    given = sidecar.content.get("tolerance")
    kinds = {"mel_": "mel_abs_db", "feature_map": "feature_map_abs", "": "embedding_abs"}
    key = next(key for prefix, key in kinds.items() if name.startswith(prefix))
    if isinstance(given, Mapping) and key in given:
        return computed(Tolerance(float(given[key])))
    return allowed(sidecar, name)


def every(sidecar: Sidecar, name: str, default: int, frames: int) -> list[dict[str, int]]:
    """Return which frames of a log-mel are stored."""
    meaning = str(sidecar.content["arrays"].get(name, {}).get("meaning", ""))
    found = re.search(r"every (\d+)(?:th|st|nd|rd)", meaning)
    step = int(found[1]) if found else default
    if len(range(0, frames, step)) != len(sidecar.arrays[name]):
        raise Refused(f"{name}: which frames are stored is not understood")
    return [{"step": step}]


def audio_teacher(sidecar: Sidecar) -> Cases:
    known(sidecar, "fill_seed", "waveform_parameters", "selected_positions")
    content, arrays = sidecar.content, sidecar.arrays
    inputs = {
        "weights": fill(content["fill_seed"]),
        "waveform": wave(content["waveform_parameters"]),
        **{n: array(n) for n in ("input_ids", "attention_mask")},
    }
    parts: dict[str, dict[str, Any]] = {n: {} for n in ("seg_embedding", "text_embedding")}
    parts |= {"logits": {}, "feature_map": {"index": [content["selected_positions"]]}}
    for axis, name in enumerate(("positions", "channels")):
        keys = {"of": "feature_map", "statistic": "mean", "axes": [axis]}
        parts[f"feature_map_mean_over_{name}"] = keys
    for name, of in (("mel_seg0", "mel_segments/0"), ("mel_full", "mel_full")):
        if name in arrays:
            parts[name] = {"of": of, "index": every(sidecar, name, 40, 1001)}
    expected = {
        name: expect(array=name, tolerance=decibels(sidecar, name), **keys)
        for name, keys in parts.items()
        if name in arrays
    }
    if "longer" in arrays:
        expected["longer"] = expect(array="longer")
    arguments = {"logit_scale": CLAP_SCALE}
    yield case(
        sidecar.path.stem, "clap_clip", arguments=arguments, inputs=inputs, expected=expected
    )


def longer_clip(sidecar: Sidecar) -> Cases:
    known(sidecar, "fill_seed", "waveform_parameters", "numpy_legacy_seed")
    content, arrays = sidecar.content, sidecar.arrays
    inputs = {
        "weights": fill(content["fill_seed"]),
        "waveform": wave(content["waveform_parameters"]),
    }
    is_first = True
    for name in ("antialias_true", "antialias_false"):
        if f"embedding_{name}" not in arrays:
            continue
        of = {f"embedding_{name}": "embedding", f"mel_shrink_{name}": "mel_shrunk"}
        of |= {"mel_chunks_first_frame": "chunk_first_frames"} if is_first else {}
        expected: dict[str, Any] = {}
        for key, result in of.items():
            if key in arrays:
                index = every(sidecar, key, 100, 1001) if result == "mel_shrunk" else None
                tolerance = decibels(sidecar, key)
                expected[key] = expect(array=key, tolerance=tolerance, of=result, index=index)
        if is_first and "chunk_starts" in arrays:
            expected["chunk_starts"] = expect(array="chunk_starts")
        is_first = False
        arguments = {"logit_scale": CLAP_SCALE, "numpy_seed": content["numpy_legacy_seed"]}
        yield case(
            f"{sidecar.path.stem}/{name}",
            "clap_longer_clip",
            arguments=arguments | {"antialias": name.endswith("true")},
            inputs=inputs,
            expected=expected,
        )


def pooled_features(sidecar: Sidecar) -> Cases:
    known(sidecar, "fill_seed", "inputs", "vggish_input", "input_seed")
    content, arrays, stem = sidecar.content, sidecar.arrays, sidecar.path.stem
    given = {entry["name"]: entry for entry in content.get("inputs", ())}
    weights = {"weights": fill(content["fill_seed"])}
    for name, images_of in (("res152", "frames_2d"), ("r2plus1d_18", "clips_3d")):
        if name in arrays:
            yield case(
                f"{stem}/{name}",
                "image_features",
                arguments={"network": name},
                inputs=weights | {"images": described(given[images_of])},
                expected={"features": expect(array=name, tolerance=of_largest(sidecar, name))},
            )
    if "vggish_logmel" in arrays:
        tolerance = {n: of_largest(sidecar, n) for n in ("vggish_logmel", "vggish_embedding")}
        step = re.search(r"frames 0,(\d+),", str(content["arrays"]["vggish_logmel"]))
        index = [None, {"step": int(step[1]) if step else 12}]
        key = "vggish_embedding"
        expected = {
            "log_mel": expect(
                array="vggish_logmel", tolerance=tolerance["vggish_logmel"], index=index
            ),
            "embedding": expect(array=key, tolerance=tolerance[key]),
        }
        found = case(
            f"{stem}/vggish",
            "vggish_features",
            arguments={"sample_rate": 16_000, "width": 64, "hidden": 4096},
            inputs=weights | {"waveform": array("vggish_waveform")},
            expected=expected,
        )
        yield found | {"arrays": {"vggish_waveform": stereo(content["input_seed"])}}


def stereo(seed: int) -> np.ndarray:
    """Return ten seconds of a tone on the left, a rising one on the right: (2, n_samples) int16.

    The noise was scaled in single precision, which no kind of source can say.
    """
    n = 160_000
    t = np.arange(n) / 16_000
    angles = {"left": (220 + 40 * seed) * t, "right": (331 + 10 * t) * t}
    sides = []
    for side, angle in angles.items():
        noise = np.random.default_rng([seed, zlib.crc32(side.encode())]).standard_normal(n)
        sides.append(0.4 * np.sin(2 * np.pi * angle) + 0.1 * noise.astype(np.float32))
    return np.trunc(32_767 * np.clip(np.stack(sides), -1, 1)).astype(np.int16)


def of_largest(sidecar: Sidecar, name: str) -> Tolerance:
    """Read a part of the largest value, or what other sidecars have."""
    given = sidecar.content.get("tolerance")
    if isinstance(given, Mapping) and "rel_to_max" in given:
        return Tolerance(float(given["rel_to_max"]) * float(np.abs(sidecar.arrays[name]).max()))
    return allowed(sidecar, name)


def teacher_weights(sidecar: Sidecar) -> Cases:
    """Yield the case of a list of the weights of a network that makes inputs of VALOR."""
    from avlib.extractors.clap import weights as clap
    from avlib.extractors.clip import weights as clip

    known(sidecar, "tensors", "n_tensors", "n_parameters")
    shapes = {name: list(shape) for name, shape, *_ in sidecar.content["tensors"]}
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    unused: set[str] = set()
    arguments: dict[str, Any]
    if VGGISH in state:
        operation = "vggish_state_dict"
        arguments = {"width": len(state["features.0.weight"]), "hidden": len(state[VGGISH])}
    elif CLAP in state:
        operation, unused = "clap_state_dict", {name for name in shapes if clap.is_unused(name)}
        arguments = {"sizes": dataclasses.asdict(clap.infer_sizes(state))}
    else:
        operation = "clip_state_dict"
        found = clip.infer_sizes(clip.file_names(state).own(state))
        names = "openai" if OPENAI in state else "huggingface"
        arguments = {"sizes": dataclasses.asdict(found), "names": names}
    taken = {name: shape for name, shape in shapes.items() if name not in unused}
    expected = {"names": {"value": sorted(taken)}, "shapes": {"value": taken}}
    if "n_tensors" in sidecar.content:
        n_taken = sidecar.content["n_tensors"] - len(unused)
        expected["n_tensors"] = {"value": n_taken}
    yield case(sidecar.path.stem, operation, arguments=arguments, expected=expected)


# What tells a kind, and what converts it; the first that fits counts. `<name>` is an array that
# is described, or a tensor that is listed.
KINDS = (
    ({"optimizer", "param_names", "fill_seed", "inputs"}, train_steps),
    ({"config", "seed", "param_names", "cases"}, first_weights),
    ({"fill_seed", "inputs", "<frame_prob>", "<global_prob>"}, network),
    ({f"<{PARSER}>"}, network_weights),
    ({"<P>"}, time_map),
    ({"<loss_video>", "<loss_valor_a>", "<loss_valor_v>"}, losses),
    ({"settings", "lr_used_in_epoch_1_to_N"}, learning_rates),
    ({"rows", "filenames", "<weak>", "<gt_audio>", "<gt_visual>"}, labels),
    ({"unpack", "<video_prob>", "<frame_prob>"}, scores),
    ({"unpack", "<pred_audio>", "<pred_visual>", "<seg>", "<event>"}, scores),
    ({"sequences", "events", "pair_i_j_tp_fp_fn"}, event_edges),
    ({"thresholds_visual", "thresholds_audio"}, pseudo_labels),
    ({"audio_segments"}, index_rules),
    ({"audio_stretch"}, index_rules),
    ({"frames10"}, index_rules),
    ({"frames80"}, index_rules),
    ({"height", "width", "picture_checksum_sum"}, images),
    ({"captions", "inputs", "<token_ids_77>"}, visual_teacher),
    ({"waveform_parameters", "selected_positions"}, audio_teacher),
    ({"waveform_parameters", "numpy_legacy_seed"}, longer_clip),
    ({"fill_seed", "<res152>"}, pooled_features),
    ({"fill_seed", "<r2plus1d_18>"}, pooled_features),
    ({"fill_seed", "<vggish_logmel>"}, pooled_features),
    ({f"<{OPENAI}>"}, teacher_weights),
    ({f"<{HF}>"}, teacher_weights),
    ({f"<{CLAP}>"}, teacher_weights),
    ({f"<{VGGISH}>"}, teacher_weights),
)
