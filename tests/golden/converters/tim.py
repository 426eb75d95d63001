"""Sidecars of TIM for recognition."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from converters.sidecar import (
    EXACT,
    Converted,
    Refused,
    Sidecar,
    Tolerance,
    expect,
    fill,
    find_tolerance,
    require_known,
    rule,
)

# What the published program takes where a configuration does not say it.
DEFAULTS: dict[str, Any] = {
    "visual_input_dim": 1024,
    "audio_input_dim": 2304,
    "d_model": 512,
    "feedforward_scale": 4,
    "nhead": 8,
    "num_layers": 4,
    "num_feats": 50,
    "model_modality": "audio_visual",
    "data_modality": "audio_visual",
    "apply_feature_pooling": False,
}
CLASSES = [[97, 300, 3806], 44]
# Keys of a configuration that are no sizes of the network.
TRAINING = {"m_drloc", "lambda_audio", "lambda_drloc", "lr", "weight_decay", "label_smoothing"}
WINDOWS = {"dataset", "feat_stride", "feat_gap", "window_stride"}
SMOOTHING = 0.2
RULE_INPUT = re.compile(r"rule_input\('([^']+)', \[([\d, ]+)\], (\d+)\)")
# `"name", (sizes)` in the words about a case; `...` stands for the sizes before.
QUOTED_INPUT = re.compile(r'"([\w/]+)",\s*\(?(\.\.\.|\d[\d, ]*)\)(?:,seed,scale ([\d.]+))?')
LOGITS = re.compile(r"(verb|noun|action|audio)(?:_(first(\d+)|logsumexp|argmax))?")
LABELS = ("label_verb", "label_noun", "label_action", "label_class_id")
FILES = {"train": "train", "val": "validation"}  # how the files of a split are called
ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
SECONDS = Tolerance(1e-12, 1e-12)  # for times that are computed in float64
HALF_DIGIT = Tolerance(0.5e-4)  # means are stored to four decimals
SHA256 = {  # of the public annotation files
    "ave/Annotations.txt": "0d24a9ec5cd4ceb779ebd83d74e83ec8e55c5e468cede3f320fb57346c9dd321",
    "ave/train_order.h5": "a216fcdd02782ba9d10c9ea79116120eb3be467740e58290e1b340d42a590456",
    "ave/val_order.h5": "5692aec0efb30e4efa49a867a902c1993b4c88a7d3ec19879349e540e7a5d9ca",
    "ave/test_order.h5": "f9bb79defc1f784ca5dda9cdd3ee52af6d24ccb399a1cfab6bf0d373f5681076",
    "epic100/EPIC_100_validation.pkl": (
        "169ece7854f4a461e8ee16bbadefeb4542482475ef5df30bb28bd55cd265a91e"
    ),
    "epic100/EPIC_100_video_info.csv": (
        "75fd040f6662cb407b4ca2eed4811ca94df280a1aba00b6bf8a5cd286deff382"
    ),
    "epic_sounds/EPIC_Sounds_validation.pkl": (
        "441b024d4d074c025428a724b8fc5c05c57a5835c34a1661c77ed1a833fa2595"
    ),
}
FACTS = ("ave", "epic_action_classes", "feature_intervals", "epic_validation_windows")
FACTS += ("epic_validation_subset_windows",)
Cases = Iterator[dict[str, Any]]


def convert(sidecar: Sidecar) -> Converted | None:
    """Return the cases of a sidecar of TIM's, or None."""
    content = sidecar.content
    entries = sidecar.cases()
    first = next(iter(entries.values()), {})
    if {"datasets", "feature_seed"} <= content.keys():
        cases = data_sets(sidecar)
    elif {"config", "keys", "foreign_globals"} <= content.keys():
        cases = checkpoint(sidecar)
    elif "configurations" in content:
        cases = state_dicts(sidecar)
    elif content.keys() & set(FACTS):
        require_known("facts", content, FACTS)
        cases = facts(sidecar)
    elif isinstance(first, Mapping) and {"config", "clip_grad_norm_1", "param_order"} <= set(first):
        cases = (c for name, entry in entries.items() for c in train_steps(sidecar, name, entry))
    elif isinstance(first, Mapping) and {"config", "strides", "num_v_queries"} <= set(first):
        cases = (forward(sidecar, name, entry) for name, entry in entries.items())
    elif content.keys() & set(SECTIONS):
        require_known("sections", content, {"seed", "tolerance", *SECTIONS})
        cases = sections(sidecar)
    else:
        return None
    arrays = dict(sidecar.arrays)
    converted = []
    for case in cases:
        arrays |= case.pop("arrays", {})
        converted.append(case)
    about = {"about": str(content["about"])} if "about" in content else {}
    return Converted({"system": "tim", **about, "cases": converted}, arrays)


def sizes(config: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """Return the arguments of the network that a configuration describes."""
    known = {*DEFAULTS, "num_class", "include_verb_noun", "has_final_relu", *others}
    require_known("config", config, known)
    chosen = {name: config.get(name, default) for name, default in DEFAULTS.items()}
    visual, audio = config.get("num_class", CLASSES)
    visual = [visual] if isinstance(visual, int) else list(visual)
    if not config.get("include_verb_noun", True):
        visual = visual[-1:]
    chosen |= {"visual_classes": visual, "audio_classes": audio}
    return chosen | {k: config[k] for k in ("has_final_relu",) if k in config}


def case(case_id: str, operation: str, **keys: Any) -> dict[str, Any]:
    about = keys.pop("about", None)
    said = {"about": str(about)} if about else {}
    return {"id": case_id, "operation": operation, **said, **keys}


def array(key: str) -> dict[str, str]:
    return {"array": key}


def described(text: str, step: int | None = None) -> dict[str, Any]:
    """Return the source that `rule_input('name', [sizes], seed)` describes."""
    found = RULE_INPUT.fullmatch(text.strip())
    if found is None:
        raise Refused(f"not the description of an input: {text!r}")
    name = found[1] if step is None else found[1].replace("<step>", str(step))
    if "<" in name:
        raise Refused(f"not the name of an input: {name!r}")
    return rule(name, map(int, found[2].split(",")), int(found[3]))


def quoted(text: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return the sources that a text names with their sizes, by the last part of their names."""
    sources: dict[str, dict[str, Any]] = {}
    shape: list[int] = []
    for name, given, scale in QUOTED_INPUT.findall(text):
        if given != "...":
            shape = [int(size) for size in given.split(",") if size.strip()]
        sources[name.rpartition("/")[2]] = rule(name, shape, seed, float(scale or 1))
    return sources


def forward(sidecar: Sidecar, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the case of a forward pass."""
    known = {"config", "batch", "num_v_queries", "num_a_queries", "inputs", "strides", "shapes"}
    require_known(name, entry, {*known, "drloc_input", "tolerance", "tolerances"})
    own = sidecar.own(name)
    arguments = sizes(entry["config"])
    arguments |= {n: entry[n] for n in ("num_v_queries", "num_a_queries")}
    inputs: dict[str, Any] = {"weights": fill(sidecar.content["seed"])}
    for modality in ("visual", "audio"):
        text = entry["inputs"].get(modality, "absent")
        if arguments["model_modality"] in ("audio_visual", modality) and text != "absent":
            inputs[modality] = described(text)
    inputs["times"] = array(own.pop("times"))
    strides = {n: s for names, s in entry["strides"].items() for n in names.split("/")}
    expected: dict[str, Any] = {}
    for result, key in own.items():
        tolerance = find_tolerance((result, result.partition("_")[0]), entry, sidecar.content)
        if found := LOGITS.fullmatch(result):
            expected |= logits(found, key, tolerance)
            continue
        if result == "drloc":
            arguments["drloc_pairs"] = sidecar.arrays[key].shape[1]
        steps = [{"step": s} if s != 1 else None for s in strides.get(result, ())]
        index = steps if any(steps) else None
        expected[result] = expect(array=key, tolerance=tolerance, index=index)
    for result, shape in entry.get("shapes", {}).items():
        if shape is None:
            expected[f"{result} is absent"] = {"of": result, "value": None}
        else:
            expected[f"{result} shape"] = expect(shape, of=result, statistic="shape")
    return case(name, "forward", arguments=arguments, inputs=inputs, expected=expected)


def logits(found: re.Match[str], key: str, tolerance: Tolerance) -> dict[str, Any]:
    """Return the entries of logits, with and without kept feature tokens."""
    head, form, first = found.groups()
    entries = {}
    for prefix, suffix in (("", ""), ("queries_only/", " (queries only)")):
        of = f"{prefix}{head}" if first or not form else f"{prefix}{head}_{form}"
        index = [None, {"stop": int(first)}] if first else None
        exact = EXACT if form == "argmax" else tolerance
        entries[found[0] + suffix] = expect(array=key, tolerance=exact, of=of, index=index)
    return entries


def state_dicts(sidecar: Sidecar) -> Cases:
    """Yield a case for each configuration of a list of weights."""
    for name, entry in sidecar.content["configurations"].items():
        known = {"arguments", "published_weights", "num_tensors", "num_parameters", "state_dict"}
        require_known(name, entry, known)
        expected = {
            "shapes": {"value": entry["state_dict"]},
            "names": {"value": list(entry["state_dict"])},
            **{n: {"value": entry[n]} for n in ("num_tensors", "num_parameters") if n in entry},
        }
        arguments = sizes(entry["arguments"], *WINDOWS)
        yield case(name, "state_dict", arguments=arguments, expected=expected)


def train_steps(sidecar: Sidecar, name: str, entry: Mapping[str, Any]) -> Cases:
    """Yield the case of some training steps."""
    known = {"config", "clip_grad_norm_1", "batch", "visual_queries", "audio_queries", "steps"}
    known |= {"total_steps_T_max", "warmup_steps", "eta_min", "param_order", "params_without_grad"}
    require_known(name, entry, {*known, "inputs", "tolerance", "tolerances"})
    own, config, steps = sidecar.own(name), entry["config"], range(entry["steps"])
    network = sizes(config, *TRAINING)
    inputs: dict[str, Any] = {"weights": fill(sidecar.content["seed"])}
    texts = dict(re.findall(r"(visual|audio): (rule_input\([^)]*\))", entry["inputs"]))
    for modality, text in texts.items():
        if network["model_modality"] in ("audio_visual", modality):
            inputs[modality] = {"stack": [described(text, step) for step in steps]}
    for result in ("times", *LABELS):
        inputs[result] = {"stack": [array(own[f"{step}.{result}"]) for step in steps]}
    inputs |= {n: array(own[n]) for n in ("lambda", "pos1", "pos2")}
    inputs["permutation"] = array(own["perm"])
    schedule = {"name": "warm_up_cosine", "lr_min": entry["eta_min"]}
    schedule |= {"total_steps": entry["total_steps_T_max"], "warmup_steps": entry["warmup_steps"]}
    optimizer = {"name": "AdamW", "lr": config["lr"], "betas": [0.9, 0.999], "eps": 1e-8}
    arguments = network | {
        "dropout": 0.0,
        "optimizer": optimizer | {"weight_decay": config["weight_decay"]},
        "schedule": schedule,
        "gradient_clipping": 1.0 if entry["clip_grad_norm_1"] else None,
        "lambda_audio": config["lambda_audio"],
        "lambda_drloc": config["lambda_drloc"],
        "label_smoothing": config.get("label_smoothing", SMOOTHING),
    }
    said = (entry, sidecar.content)
    names = {"lr": "lr", "losses": "losses", "grad_norm": "grad_norm_at_step"}
    expected = {
        result: expect(array=own[key], tolerance=find_tolerance((key,), *said))
        for result, key in names.items()
    }
    if entry.get("params_without_grad"):
        expected["without_gradient"] = {"value": entry["params_without_grad"]}
    expected |= parameters(sidecar, name, entry, network)
    yield case(name, "train_steps", arguments=arguments, inputs=inputs, expected=expected)


def parameters(
    sidecar: Sidecar, name: str, entry: Mapping[str, Any], network: Mapping[str, Any]
) -> dict[str, Any]:
    """Return two entries for each parameter.

    Keys have a bias whose gradient is only rounding: the middle third is left out of its sums.
    """
    from avlib.tim.network import TIM

    with torch.device("meta"):
        built = TIM(**{**network, "visual_classes": tuple(network["visual_classes"])})
    numbers = {n: p.numel() for n, p in built.named_parameters()}
    sums, firsts = (sidecar.arrays[f"{name}.{n}"] for n in ("param_abs_sum", "param_first4"))
    allowed = [
        find_tolerance((n,), entry, sidecar.content) for n in ("param_abs_sum", "param_first4")
    ]
    expected: dict[str, Any] = {}
    for i, parameter in enumerate(entry["param_order"]):
        if parameter not in numbers:
            raise Refused(f"{name}: the network has no parameter {parameter!r}")
        of, number = f"parameters/{parameter}", numbers[parameter]
        part: dict[str, Any] = {}
        if parameter.endswith("self_attn.in_proj_bias"):
            third = number // 3
            kept = [*range(third), *range(2 * third, number)]
            part = {"flat": True, "index": [kept]}
        expected[f"{parameter} abs_sum"] = expect(
            float(sums[i]), allowed[0], of=of, statistic="abs_sum", **part
        )
        first = firsts[i][: min(number, firsts.shape[1])].tolist()
        index = [{"stop": firsts.shape[1]}]
        expected[f"{parameter} first"] = expect(first, allowed[1], of=of, flat=True, index=index)
    return expected


def checkpoint(sidecar: Sidecar) -> Cases:
    """Yield the case of a checkpoint of the published program."""
    content, stem = sidecar.content, sidecar.path.stem
    said = {"dataset", "config", "keys", "epoch", "foreign_globals", "all_globals", "lr_scheduler"}
    said |= {"warmup", "best_acc1", "optimizer_group", "num_params_in_optimizer", "seed", "inputs"}
    require_known(stem, content, said | {"arrays", "tolerance", "tolerances"})
    queries = re.search(r"(\d+) visual and (\d+) audio queries", content["inputs"])
    every = re.search(rf"tokens: every ({'|'.join(ORDINALS)}) ", content.get("arrays", ""))
    if queries is None or (every is None and "every" in content.get("arrays", "")):
        raise Refused("not understood: the numbers of queries, or which tokens are stored")
    config = content["config"]
    arguments = {n: config[n] for n in ("nhead", "num_feats")}
    arguments |= {"num_v_queries": int(queries[1]), "num_a_queries": int(queries[2])}
    inputs = {"checkpoint": {"file": f"{stem}.pth.tar"}, "times": array("times")}
    for name, source in quoted(content["inputs"], content["seed"]).items():
        if config.get("model_modality", "audio_visual") in ("audio_visual", name):
            inputs[name] = source
    names = ("all_globals", "foreign_globals", "keys", "epoch", "lr_scheduler", "warmup")
    names += ("best_acc1", "num_params_in_optimizer", "optimizer_group")
    expected: dict[str, Any] = {name: {"value": content[name]} for name in names}
    (rate,) = content["warmup"]["lrs"]
    expected["learning_rate"] = expect(rate, find_tolerance(("lr",), content))
    expected |= weights(config)
    for name in sidecar.arrays.keys() - {"times"}:
        index = [None, {"step": ORDINALS[every[1]]}] if name == "tokens" and every else None
        tolerance = find_tolerance((name,), content)
        expected[name] = expect(array=name, tolerance=tolerance, index=index)
    yield case(stem, "checkpoint", arguments=arguments, inputs=inputs, expected=expected)


def weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of the weights of the network that a configuration describes."""
    from avlib.tim.network import TIM

    given = sizes(config)
    with torch.device("meta"):
        built = TIM(**{**given, "visual_classes": tuple(given["visual_classes"])})
    return {
        f"{name} shape": expect(list(x.shape), of=f"weights/{name}", statistic="shape")
        for name, x in built.state_dict().items()
    }


def data_sets(sidecar: Sidecar) -> Cases:
    """Yield a case for each split and each run of every data set."""
    content = sidecar.content
    known = {"datasets", "feature_seed", "features", "arrays", "tolerance", "tolerances"}
    require_known("data sets", content, known)
    words = " ".join(t for k, t in content.get("arrays", {}).items() if k.startswith("seeded"))
    seed = re.search(r"manual_seed\((\d+)\)", words)
    for name, entry in content["datasets"].items():
        study = Study(sidecar, name, entry)
        for split, golden in entry["splits"].items():
            yield study.windows(split, golden, int(seed[1]) if seed else None)
        for run, golden in entry["runs"].items():
            yield study.evaluation(run, golden)


class Study:
    """One of the data sets of a sidecar."""

    def __init__(self, sidecar: Sidecar, name: str, entry: Mapping[str, Any]) -> None:
        known = {"kind", "feature_times", "arguments", "splits", "model_seed", "runs"}
        known |= {f"{m}_{n}" for m in ("visual", "audio") for n in ("sets_train", "channels")}
        require_known(name, entry, known)
        self.sidecar, self.name, self.entry = sidecar, name, entry
        self.folder = f"synthetic/{name}"

    def path(self, file: str) -> Path:
        return self.sidecar.path.parent / self.folder / file

    def inputs(self, split: str, model_modality: str, data_modality: str) -> dict[str, Any]:
        """Return the tables of a split, and the features of what is seen."""
        end = f"_{FILES[split]}.csv"
        files = {"intervals": f"feature_times{end}", "durations": "video_info.csv"}
        for modality in ("visual", "audio"):
            if modality in data_modality:
                own = self.path(f"{modality}{end}").exists()  # segments are seen and heard
                files[f"{modality}_queries"] = f"{modality if own else 'visual'}{end}"
        for file in files.values():
            if not self.path(file).exists():
                raise Refused(f"there is no {self.folder}/{file}")
        inputs = {n: {"file": f"{self.folder}/{file}"} for n, file in files.items()}
        for modality in ("visual", "audio"):
            if modality in model_modality:
                inputs[f"{modality}_features"] = {"map": self.features(split, modality)}
        return inputs

    def features(self, split: str, modality: str) -> dict[str, Any]:
        views = self.entry[f"{modality}_sets_train"] if split == "train" else 1
        is_grid = modality == "visual" and self.entry["arguments"]["apply_feature_pooling"]
        row = [views, *((7, 7) if is_grid else ()), self.entry[f"{modality}_channels"]]
        with self.path(f"feature_times_{FILES[split]}.csv").open(newline="") as file:
            counts = Counter(line["video_id"] for line in csv.DictReader(file))
        seed = self.sidecar.content["feature_seed"]
        return {
            video: rule(f"{self.name}/{modality}/{split}/{video}", [n, *row], seed)
            for video, n in counts.items()
        }

    def cut(self) -> dict[str, Any]:
        names = ("num_feats", "feat_stride", "feat_gap", "window_stride")
        return {n: self.entry["arguments"][n] for n in names if n in self.entry["arguments"]}

    def windows(self, split: str, golden: Mapping[str, Any], seed: int | None) -> dict[str, Any]:
        """Return the case of the windows of a split."""
        prefix = f"{self.name}.{split}."
        arrays = self.sidecar.arrays
        own = {k[len(prefix) :]: k for k in arrays if k.startswith(prefix)}
        model = self.entry["arguments"].get("model_modality", "audio_visual")
        data = self.entry["arguments"].get("data_modality", "audio_visual")
        arguments = self.cut() | {
            "visual_slots": arrays[own["v_action_ids"]].shape[1],
            "audio_slots": arrays[own["a_action_ids"]].shape[1],
            "padding": -1,
        }
        is_drawn = any(name.startswith("seeded") for name in own)
        if is_drawn and seed is None:
            raise Refused(f"{prefix}: which seed the views are drawn with is not understood")
        arguments |= {"torch_seed": seed} if is_drawn else {}
        reference = {f"max_{m}_actions_reference" for m in ("visual", "audio")}  # the slots
        computed = {"min_query", "max_query", "window_size"}
        expected: dict[str, Any] = {
            name: expect(value, SECONDS if name in computed else EXACT)
            for name, value in golden.items()
            if name not in reference
        }
        last = arrays[own["window_start"]].shape[0] - 1
        renamed = {
            "visual_data_window0": "visual_data/0",
            "audio_data_window0": "audio_data/0",
            "visual_data_last_window": f"visual_data/{last}",
            "audio_data_last_window": f"audio_data/{last}",
            "seeded_visual_data_window0": "drawn/visual_data",
            "seeded_audio_data_window0": "drawn/audio_data",
        }
        for name, key in own.items():
            tolerance = find_tolerance((name,), self.sidecar.content)
            if name in ("window_start", "window_stop"):
                tolerance = SECONDS
            elif arrays[key].dtype.kind in "iu":
                tolerance = EXACT
            of = renamed.get(name)
            expected[name] = expect(array=key, tolerance=tolerance, of=of)
        return case(
            f"{self.name}/{split}",
            "windows",
            arguments=arguments,
            inputs=self.inputs(split, model, data),
            expected=expected,
        )

    def evaluation(self, run: str, golden: Mapping[str, Any]) -> dict[str, Any]:
        """Return the case of a network's metrics and predictions."""
        known = {"overrides", "metrics", "extract_file_name", "extract_keys", "batch_size", "model"}
        require_known(run, golden, known | {"v_narration_ids", "a_narration_ids"})
        widths = {f"{m}_input_dim": self.entry[f"{m}_channels"] for m in ("visual", "audio")}
        given = {**self.entry["arguments"], **widths, **golden["overrides"]}
        network = sizes(given, *WINDOWS, *TRAINING)
        arguments = (
            network
            | self.cut()
            | {
                "batch_size": golden["batch_size"],
                "label_smoothing": given.get("label_smoothing", SMOOTHING),
                "is_paired": self.entry["kind"] == "ave",
            }
        )
        tolerance = {n: find_tolerance((n,), self.sidecar.content) for n in golden["metrics"]}
        expected: dict[str, Any] = {
            name: expect(value, EXACT if isinstance(value, int) else tolerance[name])
            for name, value in golden["metrics"].items()
        }
        prefix = f"{self.name}.{run}."
        for key in self.sidecar.arrays:
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                # Of a label space that is not used the original has zeros, as many as of the other.
                ids = "a_narration_ids" if name == "extract_audio" else "v_narration_ids"
                if name == "seen_count":
                    expected[name] = expect(array=key)
                elif golden[ids]:
                    allowed = find_tolerance((name,), self.sidecar.content)
                    expected[name] = expect(array=key, tolerance=allowed)
        expected |= {n: {"value": golden[n]} for n in ("v_narration_ids", "a_narration_ids")}
        inputs = self.inputs("val", network["model_modality"], network["data_modality"])
        inputs["weights"] = fill(self.entry["model_seed"])
        case_id = f"{self.name}/{run}"
        return case(case_id, "evaluate", arguments=arguments, inputs=inputs, expected=expected)


def sections(sidecar: Sidecar) -> Cases:
    """Yield the cases of a sidecar that is divided into sections."""
    for name, section in sidecar.content.items():
        if name in SECTIONS:
            yield from SECTIONS[name](sidecar, section)


def rates(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    for name, entry in section["cases"].items():
        known = ("base_lr", "steps_per_epoch", "epochs", "warmup_epochs", "eta_min")
        require_known(name, entry, known)
        arguments = {
            "lr": entry["base_lr"],
            "lr_min": entry["eta_min"],
            "total_steps": entry["steps_per_epoch"] * entry["epochs"],
            "warmup_steps": entry["steps_per_epoch"] * entry["warmup_epochs"],
        }
        key = f"lr.{name}"
        tolerance = find_tolerance(("value",), entry, section, sidecar.content)
        yield case(
            key,
            "learning_rates",
            arguments=arguments,
            inputs={"steps": array(f"{key}.step")},
            expected={"lr": expect(array=f"{key}.value", tolerance=tolerance)},
        )


def mixup(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    own = sidecar.own("mixup")
    sources = quoted(section["about"], sidecar.content["seed"])
    smoothing = re.search(r"smoothing ([\d.]+)", section["about"])
    if "pred" not in sources or smoothing is None:
        raise Refused("mixup: the logits or the smoothing of labels are not understood")
    labels = [n.removesuffix("_a") for n in own if n.endswith("_a") and n != "loss_only_a"]
    labels = [n for n in labels if f"{n}_b" in own]
    outputs = [n.removeprefix("out") for n in own if n.startswith("out")]
    inputs = {
        "features": {"map": {n: sources[n] for n in outputs}},
        "labels": {"map": {n: array(own[f"{n}_a"]) for n in labels}},
        "logits": sources["pred"],
        "lambda": array(own["lambda"]),
        "permutation": array(own["perm"]),
    }
    tolerance = find_tolerance((), section, sidecar.content)
    expected = {f"mixed/{n}": expect(array=own[f"out{n}"], tolerance=tolerance) for n in outputs}
    expected |= {f"permuted/{n}": expect(array=own[f"{n}_b"]) for n in labels}
    for result, key in (("loss", "loss"), ("loss_of_own_labels", "loss_a_only")):
        if key in own:
            expected[result] = expect(array=own[key], tolerance=tolerance)
    arguments = {"label_smoothing": float(smoothing[1])}
    yield case("mixup", "mixup", arguments=arguments, inputs=inputs, expected=expected)


def drloc(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    own, seed = sidecar.own("drloc"), sidecar.content["seed"]
    sources = quoted(section["about"], seed)
    shape = sources["visual"]["rule"]["shape"]
    arguments = {"d_model": shape[2] // 2, "num_feats": shape[1]}
    positions = {n: array(own[n]) for n in ("pos1", "pos2")}
    for name, modalities in (("cross_modal", ("visual", "audio")), ("single", ("visual",))):
        if name not in own:
            continue
        inputs = {"weights": fill(seed), **{m: sources[m] for m in modalities}, **positions}
        tolerance = find_tolerance((name,), section, sidecar.content)
        yield case(
            f"drloc.{name}",
            "localisation_loss",
            arguments=arguments,
            inputs=inputs,
            expected={"loss": expect(array=own[name], tolerance=tolerance)},
        )


def meter(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    require_known("meter", section, {"num_class", "tolerance", "tolerances", "expected"})
    own, losses = sidecar.own("meter"), sidecar.arrays["meter.batch_losses"]
    columns = ("visual", "verb", "noun", "action", "audio")
    if losses.shape[1] != len(columns):
        raise Refused("meter: expected five losses of a batch")
    weights = {f"{n}_loss": "audio" if n == "audio" else "visual" for n in columns}
    values = {f"{n}_loss": losses[:, i] for i, n in enumerate(columns)}
    # In training the original was given the sum of all losses, and half the visual one.
    weights |= {"overall_loss": "both", "localisation_loss": "both"}
    values |= {"overall_loss": losses.sum(axis=1), "localisation_loss": losses[:, 0] / 2}
    arrays = {f"meter.batches.{name}": x for name, x in values.items()}
    heads = [n.removeprefix("logits_") for n in own if n.startswith("logits_")]
    inputs = {
        "logits": {"map": {head: array(own[f"logits_{head}"]) for head in heads}},
        **{f"{m}_queries": array(own[f"ids_{m}"]) for m in ("visual", "audio")},
        **{f"{m}_labels": array(own[f"labels_{m}"]) for m in ("visual", "audio")},
        "batch_losses": {"map": {n: array(f"meter.batches.{n}") for n in values}},
    }
    arguments = {"batches": len(losses), "is_paired": False, "losses": weights}
    expected = scores(section, sidecar, "")
    found = case("meter", "metrics", arguments=arguments, inputs=inputs, expected=expected)
    yield found | {"arrays": arrays}


def meter_ave(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    require_known("meter_ave", section, {"tolerance", "tolerances", "expected"})
    own = sidecar.own("meter_ave")
    heads = {"action": array(own["logits_visual"]), "audio": array(own["logits_audio"])}
    labels = {f"{m}_labels": array(own["labels"]) for m in ("visual", "audio")}
    yield case(
        "meter_ave",
        "metrics",
        arguments={"is_paired": True},
        inputs={"logits": {"map": heads}, **labels},
        expected=scores(section, sidecar, "visual"),
    )


def scores(section: Mapping[str, Any], sidecar: Sidecar, action: str) -> dict[str, Any]:
    """Return the entries of accuracies, losses and records; `action` is called that, too."""
    entries: dict[str, Any] = {}
    for prefix, given in (("", section["expected"]), ("train ", section["expected"].get("train"))):
        for name, value in (given or {}).items():
            if name == "train":
                continue
            is_number = not isinstance(value, str | dict)
            tolerance = find_tolerance((name,), section, sidecar.content)
            of = "action" if name == action else name
            entries[prefix + name] = expect(
                value, tolerance if is_number else EXACT, of=of if of != prefix + name else None
            )
    return entries


def best(sidecar: Sidecar, section: Mapping[str, Any]) -> Cases:
    for name, entry in section["cases"].items():
        known = {"dataset", "data_modality", "include_verb_noun", "early_stop_period"}
        require_known(name, entry, known | {"accuracies", "answers"})
        measures: list[str] = []
        if entry["data_modality"] != "audio":
            measures += ["verb", "noun", "verb_noun"] if entry["include_verb_noun"] else []
            measures += ["action"]
        measures += ["audio"] if entry["data_modality"] != "visual" else []
        if entry["dataset"] == "ave" and entry["data_modality"] == "audio_visual":
            measures += ["combined"]
        period = entry["early_stop_period"]
        yield case(
            f"best.{name}",
            "best_records",
            arguments={
                "measures": measures,
                "early_stop_epochs": period if period > 0 else None,
            },
            inputs={"accuracies": {"value": entry["accuracies"]}},
            expected={"answers": {"value": entry["answers"]}},
        )


SECTIONS = {
    "lr": rates,
    "mixup": mixup,
    "drloc": drloc,
    "meter": meter,
    "meter_ave": meter_ave,
    "best": best,
}


def facts(sidecar: Sidecar) -> Cases:
    """Yield the cases of facts of public annotation files."""
    content = sidecar.content
    interval = {"interval_s": 1.1, "hop_s": 0.2}
    if "feature_intervals" in content:
        given = content["feature_intervals"]
        found = re.search(r"interval ([\d.]+), hop ([\d.]+)", given["rule"])
        if found is None:
            raise Refused(f"feature_intervals: not understood: {given['rule']!r}")
        yield case(
            "feature_intervals",
            "feature_intervals",
            about=given["rule"],
            arguments={"interval_s": float(found[1]), "hop_s": float(found[2])},
            inputs={"durations": {"value": {s: float(s) for s in given["counts"]}}},
            expected={s: {"value": value} for s, value in given["counts"].items()},
        )
    if "ave" in content:
        yield ave(content["ave"])
    if "epic_action_classes" in content:
        yield from action_classes(sidecar, content["epic_action_classes"])
    for name in ("epic_validation_windows", "epic_validation_subset_windows"):
        if name in content:
            yield from epic_windows(name, content[name], interval)


def public(path: str, sha256: str | None = None) -> dict[str, Any]:
    return {"data": {"path": path, "sha256": sha256 or SHA256[path]}}


def action_classes(sidecar: Sidecar, given: Mapping[str, Any]) -> Cases:
    """Yield the case of the action classes, if the public table of train is there to be hashed."""
    name = "epic100/EPIC_100_train.pkl"
    table = sidecar.path.resolve().parents[2] / "data" / name
    if not table.is_file():
        print(f"{sidecar.path.name}: epic_action_classes: REFUSED  no {table}, so no hash of it")
        return
    expected: dict[str, Any] = {}
    for key, value in given.items():
        if key == "count":
            expected[key] = expect(value)
        elif key == "sha256_of_lines_verb_comma_noun":
            expected[key] = expect(value, of="text", statistic="sha256")
        elif key == "last_three_pairs":
            expected[key] = expect(value, of="pairs", index=[{"start": -len(value)}])
        elif key != "rule":
            of = {"fir": "first_class_of_verb", "cla": "classes_per_verb"}.get(key[:3])
            of = "validation_rows" if key.endswith("validation_rows") else of
            if of is None:
                raise Refused(f"epic_action_classes: unknown key {key!r}")
            expected[key] = expect(value, of=of, index=[{"stop": len(value)}])
    inputs = {
        "train": public(name, hashlib.sha256(table.read_bytes()).hexdigest()),
        "validation": public("epic100/EPIC_100_validation.pkl"),
    }
    yield case("epic_action_classes", "epic_action_classes", inputs=inputs, expected=expected)


def ave(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the case of the segments of AVE; both modalities have the same ones."""
    expected: dict[str, Any] = {"classes": {"value": given["classes"]}}
    for split, entry in given["splits"].items():
        for modality in ("visual", "audio"):
            for name, value in entry.items():
                label = f"{split}/{modality}/{name}"
                if name == "sha256":
                    of = f"{split}/{modality}/text"
                    expected[label] = expect(value, of=of, statistic="sha256")
                elif name == "first_rows":
                    for i, row in enumerate(value):
                        of = f"{split}/{modality}/line/{i}"
                        expected[f"{label}/{i}"] = expect(row, of=of)
                elif name == "background_share":
                    expected[label] = expect(value, Tolerance(5.1e-7))  # six decimals
                else:
                    expected[label] = expect(value)
    inputs = {split: public(f"ave/{split}_order.h5") for split in given["splits"]}
    inputs["annotations"] = public("ave/Annotations.txt")
    return case("ave", "ave_segments", inputs=inputs, expected=expected)


def epic_windows(name: str, given: Mapping[str, Any], interval: Mapping[str, float]) -> Cases:
    """Yield the cases of windows of EPIC-KITCHENS-100 and EPIC-SOUNDS."""
    cut = ("num_feats", "feat_stride", "feat_gap", "window_stride")
    if "cases" not in given:
        pattern = r"(\d+) features, stride (\d+), gap ([\d.]+), window stride ([\d.]+)"
        found = re.search(pattern, given["inputs"])
        if found is None:
            raise Refused(f"{name}: not understood: {given['inputs']!r}")
        values = (int(found[1]), int(found[2]), float(found[3]), float(found[4]))
        entries = {name: {"arguments": dict(zip(cut, values, strict=True)), **given}}
    else:
        entries = {f"{name}/{n}": entry for n, entry in given["cases"].items()}
    for case_id, entry in entries.items():
        arguments = dict(entry["arguments"])
        modality = arguments.pop("data_modality", "audio_visual")
        require_known(case_id, arguments, cut)
        inputs = {"durations": public("epic100/EPIC_100_video_info.csv")}
        if "visual" in modality:
            inputs["actions"] = public("epic100/EPIC_100_validation.pkl")
        if "audio" in modality:
            inputs["sounds"] = public("epic_sounds/EPIC_Sounds_validation.pkl")
        arguments |= interval
        arguments |= {"videos": given["videos"]} if "videos" in given else {}
        expected = dict(window_facts(case_id, entry))
        yield case(case_id, "epic_windows", arguments=arguments, inputs=inputs, expected=expected)


def window_facts(case_id: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of counts, means and lines."""
    exact = ("windows", "queries", "visual_views", "audio_views", "max_visual_true")
    exact += ("max_audio_true", "num_actions", "avg_queries_per_window")
    means = ("mean_visual_per_window", "mean_audio_per_window", "min_query", "max_query")
    not_here = {"inputs", "arguments", "reference_construction_cpu_seconds"}
    not_here |= {"max_visual_reference", "max_audio_reference"}  # what the original pads to
    for name, value in entry.items():
        if name in exact:
            yield name, expect(value)
        elif name == "average_queries_reported":
            yield name, expect(value, of="avg_queries_per_window")
        elif name in means:
            yield name, expect(value, HALF_DIGIT)
        elif name == "sha256_of_window_lines":
            yield name, expect(value, of="text", statistic="sha256")
        elif name not in not_here:
            raise Refused(f"{case_id}: unknown key {name!r}")
