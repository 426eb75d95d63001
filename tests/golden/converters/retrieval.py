"""Sidecars of retrieval by text: networks, front ends, relevancy, metrics.

No operation of it is registered yet; the cases say what one has to do.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from converters.retrieval_metrics import TABLES, converter_of, near_of, stored
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

Cases = Iterator[dict[str, Any]]
Entry = Mapping[str, Any]
NOISE = 0.1  # scale of the noise of recordings, where an entry has no other
COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16}
MEANINGS = {"what", "notes", "ran_with", "arrays", "arrays_meaning", "quirk", "tolerance", "rng"}
MEANINGS |= {"resize", "seed", "n_parameters_filled", "keys", "store", "timing_note"}
MEANINGS |= {"timing_wall_cpu_seconds"}


def convert(sidecar: Sidecar) -> Converted | None:
    """Return the cases of a sidecar of retrieval, or None."""
    content = sidecar.content
    converter = next((f for signs, f in KINDS if signs(content, sidecar.arrays)), None)
    if converter is None:
        return None
    arrays = dict(sidecar.arrays)
    cases = []
    for found in converter(sidecar):
        arrays |= found.pop("arrays", {})
        cases.append(found)
    if not cases:
        raise Refused("none of its cases can be said in format 1")
    about = {"about": str(content["what"])} if "what" in content else {}
    source = texts(content, "ran_with")
    kept = {"source": source} if source else {}
    return Converted({"system": "retrieval", **about, **kept, "cases": cases}, arrays)


def skipped(sidecar: Sidecar, name: str, reason: str) -> None:
    """Say which case of a file is refused, while the others are converted."""
    print(f"{sidecar.path.name}: {name}: REFUSED  {reason}")


def drawn_rows(text: str, seed: int, rows: int) -> list[dict[str, Any]]:
    """Return a rule for each row that `rule_input('name'+str(i),(sizes),seed,scale) - x` says."""
    found = re.search(
        rf"rule_input\('(\w+)'\+str\(i\),\(([\d,]+)\),seed,{NUMBER}\)(?: ([+-]) {NUMBER})?", text
    )
    if found is None:
        raise Refused(f"rows are not understood: {text!r}")
    shape = [int(size) for size in found[2].split(",") if size]
    offset = float(found[5] or 0) * (-1 if found[4] == "-" else 1)
    return [rule(f"{found[1]}{i}", shape, seed, float(found[3]), offset) for i in range(rows)]


def ase_forward(sidecar: Sidecar) -> Cases:
    content, arrays = sidecar.content, sidecar.arrays
    require_known("forward", content, MEANINGS | {"input", "stages", "tolerance_stage"})
    given, seed = content["input"], content["seed"]
    found = re.search(
        rf"\(n,(\d+)\).*rule_input\('(\w+)'\+str\(i\),\(L_i,\),seed,{NUMBER}\)",
        given["waveforms"],
    )
    if found is None:
        raise Refused(f"waveforms are not understood: {given['waveforms']!r}")
    rows = [
        rule(f"{found[2]}{i}", [length], seed, float(found[3]), pad_to=int(found[1]))
        for i, length in enumerate(given["lengths"])
    ]
    inputs = {
        "weights": fill(seed),
        "waveforms": {"stack": rows},
        **{name: array(name) for name in ("input_ids", "attention_mask")},
    }
    names = ("htsat_embedding", "audio_embedding", "text_cls", "text_embedding")
    near = computed(find_tolerance((), content))
    expected = stored(sidecar, {name: name for name in names}, near)
    changed = {}
    for stage, entry in content["stages"].items():
        allowed = of_stage(content["tolerance_stage"], stage)
        expected |= statistics(stage, entry, allowed)
        key = f"{stage}_head"
        size = int(np.prod(entry["shape"][1:]))
        step = size // arrays[key].shape[1]
        places = [row * size + k * step for row in range(len(rows)) for k in range(40)]
        changed[key] = arrays[key].ravel()
        expected[key] = expect(array=key, tolerance=allowed, of=stage, flat=True, index=[places])
    found_case = case(sidecar.path.stem, "ase_forward", inputs=inputs, expected=expected)
    yield found_case | {"arrays": changed}


def statistics(stage: str, entry: Entry, allowed: Tolerance) -> dict[str, Any]:
    """Return the entries of a stage: its shape, and mean and deviation of each row."""
    axes = list(range(1, len(entry["shape"])))
    return {
        f"{stage} shape": expect(entry["shape"], of=stage, statistic="shape"),
        f"{stage} mean": expect(entry["mean"], allowed, of=stage, statistic="mean", axes=axes),
        f"{stage} std": expect(
            entry["std"], allowed, of=stage, statistic="std_unbiased", axes=axes
        ),
    }


def of_stage(text: str, stage: str) -> Tolerance:
    """Read `1e-3 for logmel, bn0 and reshape_wav2img (dB values), 1e-4 otherwise`."""
    found = re.fullmatch(rf"{NUMBER} for ([\w, ]+?)(?: \([^)]*\))?, {NUMBER} otherwise", text)
    if found is None:
        raise Refused(f"not understood: {text!r}")
    named = re.split(r", | and ", found[2])
    size = float(found[1] if stage in named else found[3])
    return Tolerance(size, size)


def clap_forward(sidecar: Sidecar) -> Cases:
    content = sidecar.content
    require_known("forward", content, MEANINGS | {"input", "cases"})
    near = computed(find_tolerance((), content))
    seed, text = content["seed"], content["input"]["mel_fusion"]
    weights = {"weights": fill(seed)}
    for name, entry in content["cases"].items():
        require_known(name, entry, {"rows", "longer_in", "longer_after"})
        mels = [drawn_rows(text, seed, row + 1)[row] for row in entry["rows"]]
        keys = {n: f"{name}_{n}" for n in ("embedding", "audio") if f"{name}_{n}" in sidecar.arrays}
        expected = stored(sidecar, keys, near)
        inputs = weights | {"mels": {"stack": mels}, "longer": {"value": entry["longer_in"]}}
        arguments = {"fusion": True, "one_by_one": "longer_after" not in entry}
        if "longer_after" in entry:
            expected["longer_after"] = {"value": entry["longer_after"]}
        if f"{name}_text" in sidecar.arrays:
            inputs |= {n: array(n) for n in ("input_ids", "attention_mask")}
            arguments["text_rows"] = 1
            expected |= stored(sidecar, {"text": f"{name}_text"}, near)
        yield case(name, "clap_forward", arguments=arguments, inputs=inputs, expected=expected)
    if "unfused_embedding" in sidecar.arrays:
        rows = len(sidecar.arrays["unfused_embedding"])
        keys = {n: f"unfused_{n}" for n in ("embedding", "audio")}
        yield case(
            "unfused",
            "clap_forward",
            arguments={"fusion": False, "one_by_one": False},
            inputs=weights | {"mels": {"stack": drawn_rows(text, seed, rows)}},
            expected=stored(sidecar, keys, near),
        )
    if "text" in sidecar.arrays:
        yield case(
            "text",
            "clap_text",
            inputs=weights | {n: array(n) for n in ("input_ids", "attention_mask")},
            expected=stored(sidecar, {n: n for n in ("text", "text_pooler")}, near),
        )


def egovlp_forward(sidecar: Sidecar) -> Cases:
    content, arrays = sidecar.content, sidecar.arrays
    require_known("forward", content, MEANINGS | {"input"})
    shape = re.search(
        rf"rule_input\('video_<name>',\(1,F,(\d+),(\d+),(\d+)\),seed,{NUMBER}\)", content["input"]
    )
    names = [n.removeprefix("video_") for n in arrays if n.startswith("video_")]
    sizes = re.search(rf"{NUMBER} absolute on embeddings.*, {NUMBER} on sim", content["tolerance"])
    if shape is None or sizes is None or not set(names) <= COUNTS.keys():
        raise Refused("the videos, their numbers of frames or the tolerances are not understood")
    seed, (near, nearer) = content["seed"], (Tolerance(float(sizes[k])) for k in (1, 2))
    frame = [int(shape[k]) for k in (1, 2, 3)]
    videos = {
        name: rule(f"video_{name}", [1, COUNTS[name], *frame], seed, float(shape[4]))
        for name in names
    }
    inputs = {"weights": fill(seed), "videos": {"map": videos}}
    inputs |= {n: array(n) for n in ("input_ids", "attention_mask")}
    keys = {f"{kind}/{n}": f"{kind}_{n}" for n in names for kind in ("video", "feature")}
    expected = stored(sidecar, keys | {"text": "text"}, near)
    expected["sim"] = expect(array="sim", tolerance=nearer)
    yield case(
        sidecar.path.stem,
        "egovlp_forward",
        arguments={"num_frames": 4},
        inputs=inputs,
        expected=expected,
    )
    for key in arrays:
        if found := re.fullmatch(r"temporal_embed_(\d+)", key):
            index = [None, None, {"stop": arrays[key].shape[2]}]
            yield case(
                key,
                "temporal_embedding",
                arguments={"num_frames": int(found[1]), "stored_frames": 4},
                inputs={"weights": fill(seed)},
                expected={"temporal_embed": expect(array=key, tolerance=near, index=index)},
            )


def recording(entry: Entry, seed: int, rate: int) -> dict[str, Any]:
    """Return the source of a recording of a front end's case."""
    samples, kind = entry["n"], entry.get("kind", "noise")
    if kind == "noise":
        return rule(entry["name"], [samples], seed, entry.get("scale", NOISE))
    parts: dict[str, list[dict[str, Any]]] = {
        "zeros": [],
        "sine": [{"amplitude": 0.5, "sine": 440.0}, {"amplitude": 0.25, "sine": 3000.0}],
    }
    if kind not in parts:
        raise Refused(f"unknown kind of recording {kind!r}")
    given = {"samples": samples, "rate": entry.get("sr", rate), "channels": [parts[kind]]}
    return {"sound": given}


def front_end(sidecar: Sidecar) -> Cases:
    """Yield the cases of a front end: log-mels, and the waveform that they are of."""
    content, arrays = sidecar.content, sidecar.arrays
    require_known("front end", content, MEANINGS | {"input", "cases"})
    is_ase = "ASE" in content["what"]
    rate = 32_000 if is_ase else 48_000
    near = find_tolerance((), content)
    step = re.search(r"::(\d+)", content["arrays_meaning"])
    if step is None or near.abs == 0:
        raise Refused("which frames are stored, or the tolerance, is not understood")
    for name, entry in sidecar.cases().items():
        known = {"name", "n", "kind", "sr", "scale", "int16", "filling", "py_seed", "np_seed"}
        require_known(name, entry, known)
        arguments = {n: entry[n] for n in ("py_seed", "np_seed") if n in entry}
        if not is_ase:
            arguments["filling"] = entry.get("filling", "repeatpad")
            arguments["int16_round_trip"] = entry.get("int16", False)
        frames: list[Any] = [{"step": int(step[1])}]
        axes = None if is_ase else [1, 2]
        waves = Tolerance(1e-3, 1e-5)
        parts: dict[str, tuple[dict[str, Any], Tolerance]] = {
            "mel": ({"of": "mel", "index": frames if is_ase else [None, *frames]}, near),
            "mean": ({"of": "mel", "statistic": "mean", "axes": axes}, near),
            "std": ({"of": "mel", "statistic": "std", "axes": axes}, near),
            "wave_sum": ({"of": "waveform", "statistic": "sum"}, waves),
            "wave_abs": ({"of": "waveform", "statistic": "abs_sum"}, waves),
            "first": ({"of": "crop_start"}, EXACT),
            "longer": ({"of": "longer"}, EXACT),
        }
        expected = {
            part: expect(array=f"{name}_{part}", tolerance=tolerance, **keys)
            for part, (keys, tolerance) in parts.items()
            if f"{name}_{part}" in arrays
        }
        yield case(
            name,
            "ase_front_end" if is_ase else "clap_front_end",
            arguments=arguments,
            inputs={"waveform": recording(entry, content["seed"], rate)},
            expected=expected,
        )


def clip_plan(sidecar: Sidecar) -> Cases:
    require_known("plan", sidecar.content, MEANINGS | {"cases"})
    names = ("clip_start", "clip_end", "left_sec", "right_sec", "video_files", "video_sec")
    for name, entry in sidecar.cases().items():
        require_known(name, entry, {*names, "bound_sec", "audio_reads"})
        arguments = {n: entry[n] for n in (*names, "bound_sec") if n in entry}
        expected = {"audio_reads": expect(entry["audio_reads"], Tolerance(1e-9, 1e-12))}
        yield case(name, "mcq_clip_plan", arguments=arguments, expected=expected)


def state_dict(sidecar: Sidecar) -> Cases:
    content = sidecar.content
    require_known("weights", content, MEANINGS | {"n_tensors", "tensors"})
    entries = [[name, shape, dtype] for name, (shape, dtype) in content["tensors"].items()]
    expected = {"entries": {"value": entries}}
    if "n_tensors" in content:
        expected["n_tensors"] = {"value": content["n_tensors"]}
    network = sidecar.path.stem.removeprefix("state_dict_")
    yield case(sidecar.path.stem, "state_dict", arguments={"network": network}, expected=expected)


def tables(content: Entry) -> dict[str, Any]:
    """Return the sources of the tables of clips and of sentences."""
    sources = {}
    for file, entry in content["inputs"].items():
        if entry["sha256"] not in TABLES:
            raise Refused(f"{file}: not a known public file")
        name = "sentences" if "sentence" in file else "clips"
        path = TABLES[entry["sha256"]]
        sources[name] = {"data": {"path": path, "sha256": entry["sha256"]}}
    return sources


def relevancy(sidecar: Sidecar) -> Cases:
    content, arrays = sidecar.content, sidecar.arrays
    known = {"inputs", "formula", "shape", "dtype", "caption", "verb", "noun", "indexes"}
    require_known(
        "relevancy", content, MEANINGS | known | {"rows_cols", "facts", "random_baseline"}
    )
    close = Tolerance(0.0, 1e-9)
    expected: dict[str, Any] = {}
    for part in ("caption", "verb", "noun"):
        expected[f"{part} shape"] = expect(content["shape"], of=part, statistic="shape")
        for name, value in content[part].items():
            label = f"{part} {name}"
            if name == "sum":
                expected[label] = expect(value, close, of=part, statistic="sum")
            elif name.startswith("sha256"):
                dtype = content["dtype"]
                expected[label] = expect(value, of=part, statistic="sha256", dtype=dtype)
            elif name == "distinct_values":
                expected[label] = expect(value, Tolerance(0.0, 1e-12), of=f"{part}/distinct")
            else:
                expected[label] = expect(value, of=f"{part}/{name}")
    rows, columns = (arrays[n].tolist() for n in ("rows", "cols"))
    near = Tolerance(0.0, 1e-6)
    expected["caption_slice"] = expect(
        array="caption_slice", tolerance=near, of="caption", index=[rows, columns]
    )
    for key in arrays:
        if found := re.fullmatch(r"(caption|verb|noun)_(row|col)_sums", key):
            axes = [1 if found[2] == "row" else 0]
            expected[key] = expect(
                array=key, tolerance=near, of=found[1], statistic="sum", axes=axes
            )
    expected["indexes"] = expect(array="indexes")
    counts = {n: v for n, v in content.get("facts", {}).items() if n != "note"}
    expected |= {f"facts/{name}": {"value": value} for name, value in counts.items()}
    yield case(sidecar.path.stem, "relevancy", inputs=tables(content), expected=expected)


def metrics(sidecar: Sidecar) -> Cases:
    """Yield the cases of metrics that are said by rule or array; others are refused by name."""
    content = sidecar.content
    require_known("metrics", content, MEANINGS | {"cases"})
    for name, entry in content["cases"].items():
        converter = converter_of(content, name)
        if converter is None:
            skipped(sidecar, name, "no such kind of metric is known")
            continue
        try:
            yield from converter(sidecar, name, entry)
        except (Refused, KeyError) as error:
            skipped(sidecar, name, str(error))
    if "example_sim" in sidecar.arrays:
        keys = {n: f"example_{n}" for n in ("ndcg", "map", "k_counts")}
        inputs = {"sims": array("example_sim"), "relevancy": array("example_rel")}
        near = near_of({"tolerance": 1e-9})
        expected = stored(sidecar, keys, near)
        yield case("example", "ranking_metrics", inputs=inputs, expected=expected)


# What tells a kind, from the keys and the arrays, and what converts it; the first counts.
KINDS = (
    (
        lambda c, a: {"stages", "tolerance_stage"} <= c.keys() and "htsat_embedding" in a,
        ase_forward,
    ),
    (lambda c, a: "unfused_embedding" in a or "mixed_embedding" in a, clap_forward),
    (lambda c, a: "sim" in a and any(n.startswith("temporal_embed") for n in a), egovlp_forward),
    (lambda c, a: any(n.endswith("_wave_abs") for n in a), front_end),
    (lambda c, a: "audio_reads" in str(c.get("cases", ""))[:4000], clip_plan),
    (lambda c, a: isinstance(c.get("tensors"), Mapping), state_dict),
    (lambda c, a: {"formula", "caption", "verb", "noun"} <= c.keys(), relevancy),
    (lambda c, a: any("ndcg" in n for n in a), metrics),
)
