"""Sidecars of the metrics of retrieval."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converters.sidecar import (
    EXACT,
    Refused,
    Sidecar,
    Tolerance,
    computed,
    expect,
    require_known,
    rule,
)
from converters.tim import array, case

TABLES = {  # of public files, by their hash: where they are in the folder of public data
    "35f7932ba0a1127a96cac215a98d35398946f343e3cea9ad6688ed17eee9d75d": (
        "epic100/EPIC_100_validation.csv"
    ),
    "9ccf771a88ceb3e15f9a2842344ef2d7c13176f9e66af8c5c15b6935fd25c46c": (
        "epic100/EPIC_100_retrieval_test_sentence.csv"
    ),
}
NAMED_RULE = re.compile(r"'(\w+)' ?,? ?\(([\d, ]+)\)")  # name and sizes in a description
Cases = Iterator[dict[str, Any]]
Entry = Mapping[str, Any]


def stored(sidecar: Sidecar, keys: Mapping[str, str], tolerance: Tolerance) -> dict[str, Any]:
    """Return an entry for each array, by the name of the result."""
    return {name: expect(array=key, tolerance=tolerance) for name, key in keys.items()}


def near_of(entry: Entry) -> Tolerance:
    size = float(entry.get("tolerance", 1e-6))
    return computed(Tolerance(size, size), "float64")


def recall(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    known = {"t2v", "v2t", "tolerance", "correct_text_rows"}
    require_known(name, entry, known)
    expected: dict[str, Any] = {d: expect(entry[d], near_of(entry)) for d in ("t2v", "v2t")}
    if entry.get("correct_text_rows") is not None:
        expected["correct_text_rows"] = {"value": entry["correct_text_rows"]}
    inputs = {"sims": array(f"{name}_sims")}
    yield case(name, "recall", inputs=inputs, expected=expected)


def similarity(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    """Yield a case of mean average precision and nDCG of noise, with relevancy that is stored."""
    relevant = f"{name}_rel"
    found = re.search(r"sim = float64\(rule_input\('(\w+)', shape, seed\)\)$", entry["description"])
    if found is None or relevant not in sidecar.arrays:
        raise Refused("its similarities are not understood, or its relevancy is not stored")
    shape = sidecar.arrays[relevant].shape
    source = rule(found[1], shape, sidecar.content["seed"], dtype="float64")
    keys = {n: f"{name}_{n}" for n in ("v_ndcg", "t_ndcg", "v_map", "t_map")}
    keys = {n: key for n, key in keys.items() if key in sidecar.arrays}
    yield case(
        name,
        "ranking_metrics",
        inputs={"sims": source, "relevancy": array(relevant)},
        expected=stored(sidecar, keys, near_of(entry)),
    )


def choices(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, {"accuracy", "only_type_2", "quirk", "tolerance"})
    inputs = {n: array(f"mcq_{n}") for n in ("preds", "labels", "types")}
    near = near_of(entry)
    expected = {"accuracy": expect(entry["accuracy"], near)}
    yield case(name, "mcq_accuracy", inputs=inputs, expected=expected)
    if "only_type_2" in entry:
        expected = {"accuracy": expect(entry["only_type_2"], near)}
        arguments = {"only_type": 2}
        yield case(
            f"{name}/only_type_2",
            "mcq_accuracy",
            arguments=arguments,
            inputs=inputs,
            expected=expected,
        )


def frames(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, set())
    rows = sidecar.arrays["frames"]
    given = [row[:3].tolist() for row in rows]
    chosen = [row[3:][row[3:] != -1_000_000].tolist() for row in rows]
    yield case(
        name,
        "frame_indices",
        inputs={"rows": {"value": given}},
        expected={"indices": {"value": chosen}},
    )


def listed(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    """Yield a case of texts that become others, or numbers."""
    require_known(name, entry, {"in", "out", "quirk"})
    is_number = isinstance(entry["out"][0], float)
    out = expect(entry["out"], Tolerance(0.0, 1e-12) if is_number else EXACT)
    yield case(name, name, inputs={"texts": {"value": entry["in"]}}, expected={"out": out})


def named_rules(text: str, seed: int, scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """Return the rules that a description names with their sizes."""
    return {
        name: rule(name, [int(size) for size in sizes.split(",")], seed, scale)
        for name, sizes in NAMED_RULE.findall(text)
    }


def pairs(sidecar: Sidecar) -> dict[str, dict[str, Any]]:
    """Return two pairs of embeddings, of texts and of videos and recordings."""
    text, seed = sidecar.content["cases"]["dual"]["description"], sidecar.content["seed"]
    found = re.search(
        r"text=rule_input\('(\w+)',\((\d+),(\d+)\),seed,(\d+)\), video='(\w+)'.*"
        r"second pair '(\w+)','(\w+)' \((\d+),(\d+)\) scale (\d+)",
        text,
    )
    if found is None:
        raise Refused(f"the embeddings are not understood: {text!r}")
    first, second = ([int(found[k]), int(found[k + 1])] for k in (2, 8))
    return {
        "text": rule(found[1], first, seed, float(found[4])),
        "video": rule(found[5], first, seed, float(found[4])),
        "audio_text": rule(found[6], second, seed, float(found[10])),
        "audio": rule(found[7], second, seed, float(found[10])),
    }


def dual_softmax(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, {"tolerance"})
    temperature = re.search(r"softmax\(dot/(\d+), over clips\)", entry["description"])
    if temperature is None:
        raise Refused("the temperature is not understood")
    given, near = pairs(sidecar), near_of(entry)
    arguments = {"temperature": float(temperature[1])}
    keys = {part: f"dual_{part}" for part in ("dot", "first", "out")}
    yield case(
        name,
        "dual_softmax",
        arguments=arguments,
        inputs={n: given[n] for n in ("text", "video")},
        expected=stored(sidecar, keys, near),
    )
    expected = stored(sidecar, {"out": "dual_both_out"}, near)
    yield case(f"{name}_both", "dual_softmax", arguments=arguments, inputs=given, expected=expected)


def fused(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, {"tolerance"})
    if "columns 0,2,..,28" not in entry["description"]:
        raise Refused("which columns are stored is not understood")
    near = near_of(entry)
    expected = {"sims": expect(array="fusion_epic", tolerance=near, index=[None, {"step": 2}])}
    yield case(name, "fused_similarity", inputs=pairs(sidecar), expected=expected)


def cosine(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, {"tolerance"})
    given = named_rules(entry["description"], sidecar.content["seed"])
    zeroed = re.search(r"'cos_a',\([\d,]+\)\) with row (\d+) zeroed", entry["description"])
    if zeroed is None or not {"cos_a", "cos_b", "cos3_a", "cos3_b"} <= given.keys():
        raise Refused("the embeddings are not understood")
    values = drawn(given["cos_a"])
    values[int(zeroed[1])] = 0.0
    near = near_of(entry)
    for norm in ("plain", "max", "one"):
        found = case(
            f"{name}/{norm}",
            "cosine",
            arguments={"norm": None if norm == "plain" else norm},
            inputs={"a": array("cos_a_zeroed"), "b": given["cos_b"]},
            expected=stored(sidecar, {"sims": f"cosine_{norm}"}, near),
        )
        yield found | {"arrays": {"cos_a_zeroed": values}}
    inputs = {"a": given["cos3_a"], "b": given["cos3_b"]}
    expected = stored(sidecar, {"sims": "cosine_batched"}, near)
    arguments = {"norm": None}
    yield case(f"{name}/batched", "cosine", arguments=arguments, inputs=inputs, expected=expected)


def drawn(source: Mapping[str, Any]) -> np.ndarray:
    from avlib.verify.sources import rule_array

    return rule_array(**source["rule"])


def fused_choices(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, {"tolerance"})
    text, seed = entry["description"], sidecar.content["seed"]
    given = {
        n: rule(n, map(int, s.split(",")), seed)
        for n, s in re.findall(r"(mcq_\w+) \(([\d,]+)\)", text)
    }
    names = {"mcq_vid": "video_text", "mcq_vids": "videos", "mcq_txt": "audio_text"}
    names["mcq_auds"] = "recordings"
    if given.keys() != names.keys():
        raise Refused("the embeddings are not understood")
    for key in sidecar.arrays:
        if found := re.fullmatch(r"mcq_fusion_(none|max|one)_(\d+)", key):
            norm = None if found[1] == "none" else found[1]
            yield case(
                key,
                "mcq_fusion",
                arguments={"norm": norm, "ratio": int(found[2])},
                inputs={names[n]: source for n, source in given.items()},
                expected={"sims": expect(array=key, tolerance=near_of(entry))},
            )


def cut(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    require_known(name, entry, set())
    rate = re.search(r"int\(offset\*(\d+)\)", entry["description"])
    if rate is None:
        raise Refused("the sample rate is not understood")
    rows = sidecar.arrays["cut"]
    yield case(
        name,
        "cut_samples",
        arguments={"sample_rate": int(rate[1])},
        inputs={
            "clips": public("clips"),
            "rows": {"value": [[int(row[0]), row[1], row[2]] for row in rows.tolist()]},
        },
        expected={"samples": {"value": rows[:, 3:].astype(int).tolist()}},
    )


def public(name: str) -> dict[str, Any]:
    """Return the source of the table of clips or of sentences."""
    end = "sentence.csv" if name == "sentences" else "validation.csv"
    ((sha256, path),) = [(h, path) for h, path in TABLES.items() if path.endswith(end)]
    return {"data": {"path": path, "sha256": sha256}}


def rankings(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    """Yield the case of noise and relevancy of public tables; `sims` is their weighted sum."""
    known = {"means", "tolerance", "alpha", "n_classes", "report_head"}
    require_known(name, entry, known | {"report_per_class_first_lines"})
    arrays, seed = sidecar.arrays, sidecar.content["seed"]
    inputs = {n: public(n) for n in ("clips", "sentences")}
    if name == "subset":
        parts = {"rows": array("subset_rows"), "columns": array("subset_cols")}
        shape = [len(arrays["subset_rows"]), len(arrays["subset_cols"])]
        noise, weights = "mir_subset", (1.0, 1.0)
        if "rule_input('mir_subset', shape, seed)) + relevancy" not in entry["description"]:
            raise Refused("its similarities are not understood")
    else:
        of_noise = sidecar.content["cases"]["random"]["description"]
        ((noise, sizes),) = re.findall(r"rule_input\('(\w+)', \(([\d, ]+)\), seed\)", of_noise)
        shape, parts = [int(size) for size in sizes.split(",")], {}
        weights = (0.0, 1.0) if name == "random" else (1.0, float(entry["alpha"]))
    inputs |= parts | {"noise": rule(noise, shape, seed, dtype="float64")}
    near, expected = near_of(entry), {}
    for part in ("v_ndcg", "t_ndcg", "v_map", "t_map"):
        expected |= of_queries(sidecar, name, part, near)
        mean = entry["means"].get(part)
        if mean is not None and mean == mean:  # else the values themselves are NaN
            expected[f"mean {part}"] = expect(mean, near, of=part, statistic="mean")
    for part in ("class_v_ndcg", "class_v_map"):
        if f"{name}_{part}" in arrays:
            expected[part] = expect(array=f"{name}_{part}", tolerance=near)
    if "indexes" not in expected and f"{name}_indexes" in arrays:
        expected["indexes"] = expect(array=f"{name}_indexes")
    if "n_classes" in entry:
        expected["n_classes"] = {"value": entry["n_classes"]}
        expected["report"] = {"value": entry["report_head"]}
        for i, line in enumerate(entry["report_per_class_first_lines"]):
            expected[f"class_report/{i}"] = {"value": line}
    arguments = {"relevancy_weight": weights[0], "noise_weight": weights[1]}
    yield case(name, "table_rankings", arguments=arguments, inputs=inputs, expected=expected)


def of_queries(sidecar: Sidecar, name: str, part: str, near: Tolerance) -> dict[str, Any]:
    """Return the entries of values of all queries, or of the first and last ones."""
    arrays, found = sidecar.arrays, {}
    if f"{name}_{part}" in arrays:
        found[part] = expect(array=f"{name}_{part}", tolerance=near)
    for end in ("first100", "last100"):
        key = f"{name}_{part}_{end}"
        if key in arrays:
            size = len(arrays[key])
            index = [{"stop": size} if end.startswith("first") else {"start": -size}]
            # These are stored in single precision.
            least = Tolerance(near.abs, max(near.rel, 1e-6))
            found[f"{part} {end}"] = expect(array=key, tolerance=least, of=part, index=index)
    return found


def embeddings(sidecar: Sidecar, name: str, entry: Entry) -> Cases:
    """Yield the case of rankings by embeddings, which are made of rules and the table of clips."""
    known = {"means", "tolerance_mean", "v2t", "t2v", "tolerance_recall"}
    require_known(name, entry, known | {"n_texts_where_diagonal_is_row_maximum"})
    made = embedded(sidecar)
    scales = re.search(r"text\*(\d+), video\*(\d+)", described(sidecar, name))
    near = Tolerance(float(entry["tolerance_mean"]))
    share = Tolerance(float(entry.get("tolerance_recall", 0.05)))
    expected = {
        f"mean {part}": expect(mean, near, of=part, statistic="mean")
        for part, mean in entry["means"].items()
    }
    expected |= {d: expect(entry[d], share) for d in ("v2t", "t2v")}
    for part in ("v_ndcg", "t_ndcg", "v_map", "t_map"):
        expected |= of_queries(sidecar, name, part, Tolerance(1e-3))
    found = case(
        name,
        "embedding_rankings",
        arguments={
            "dual_softmax": name.startswith("dual"),
            "dtype": "float64" if name.endswith("f64") else "float32",
            "text_scale": float(scales[1]) if scales else 1.0,
            "video_scale": float(scales[2]) if scales else 1.0,
        },
        inputs={
            **{n: public(n) for n in ("clips", "sentences")},
            **{n: array(f"embedding_{n}") for n in made},
        },
        expected=expected,
    )
    kept = {"informational": True} if "do not gate" in entry["description"] else {}
    yield found | kept | {"arrays": {f"embedding_{n}": x for n, x in made.items()}}


def described(sidecar: Sidecar, name: str) -> str:
    """Return the description of a case, or that of which it is `the same in float64`."""
    text = sidecar.content["cases"][name]["description"]
    if text.startswith("the same in float64"):
        return described(sidecar, name.removesuffix("_f64"))
    return text


def embedded(sidecar: Sidecar) -> dict[str, np.ndarray]:
    """Return the embeddings of the texts and videos of all clips, (N, D) with a norm of 1."""
    content = sidecar.content
    given, text = content["cases"]["cosine"], content["cases"]["cosine"]["description"]
    found = re.search(
        r"D=(\d+);.*'text_noise',\(n_sent,D\),scale ([\d.]+).*'video_noise',\((\d+),D\),"
        r"scale ([\d.]+)",
        text,
    )
    path = next(p for p in TABLES.values() if p.endswith("validation.csv"))
    table = data_folder(sidecar) / path
    if found is None or not table.is_file():
        raise Refused(f"its embeddings are not understood, or there is no {table}")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    width, seed = int(found[1]), content["seed"]
    parts = []
    for kind in ("verb", "noun"):
        numbers = [int(row[f"{kind}_class"]) for row in rows]
        parts.append(drawn(rule(f"{kind}_table", [max(numbers) + 1, width], seed))[numbers])
    sentences: dict[str, int] = {}
    sentence = [sentences.setdefault(row["narration"], len(sentences)) for row in rows]
    noise = drawn(rule("text_noise", [len(sentences), width], seed, float(found[2])))[sentence]
    moving = drawn(rule("video_noise", [int(found[3]), width], seed, float(found[4])))
    made = {"text": parts[0] + parts[1] + noise, "video": parts[0] + parts[1] + moving}
    made = {n: x / np.linalg.norm(x, axis=1, keepdims=True) for n, x in made.items()}
    cosines = made["text"] @ made["video"].T
    hits = int((cosines.argmax(axis=1) == np.arange(len(rows))).sum())
    if hits != given["n_texts_where_diagonal_is_row_maximum"]:
        raise Refused(f"its embeddings are not understood: {hits} texts are nearest to their clip")
    return made


def data_folder(sidecar: Sidecar) -> Path:
    above = sidecar.path.resolve().parents
    return above[min(2, len(above) - 1)] / "data"


METRICS = {
    "recall": recall,
    "empty": similarity,
    "mcq_fusion": fused_choices,
    "mcq": choices,
    "frames": frames,
    "wavcaps_text": listed,
    "timestamps": listed,
    "fusion_epic": fused,
    "subset": rankings,
    "random": rankings,
    "graded": rankings,
    "cut": cut,
}
EXACT_NAMES = {"dual": dual_softmax, "cosine": cosine}  # of the small cases
OF_EMBEDDINGS = ("cosine", "dual")


def converter_of(content: Entry, name: str) -> Any:
    """Return what converts a case of that name, or None."""
    if "means" in content["cases"][name] and name.startswith(OF_EMBEDDINGS):
        return embeddings
    if name in EXACT_NAMES:
        return EXACT_NAMES[name]
    return next((f for start, f in METRICS.items() if name.startswith(start)), None)
