"""Golden facts of public annotation files: classes, segments, feature intervals, windows.

The annotation files are not part of this repository. They are looked for in `data` beside the
folder of golden cases; what cannot be compared without them is said and counts for nothing.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.datasets import ave, epic_kitchens, epic_sounds
from avlib.extractors.intervals import interval_table
from avlib.tim.queries import (
    Part,
    action_pairs,
    join_queries,
    queries_of_events,
    queries_of_segments,
    read_durations,
)
from avlib.tim.recipes import TimRecipe
from avlib.tim.windows import DECIMALS, WindowIndex, build_windows
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly, data_folder
from avlib.verify.tolerance import Tolerance

logger = logging.getLogger(__name__)

SETTINGS = re.compile(r"(\d+) features, stride (\d+), gap ([\d.]+), window stride ([\d.]+)")
HALF_DIGIT = Tolerance(0.5e-4, 0.0)  # means are stored to four decimals


def facts(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare all facts whose files are there."""
    content = case.content
    for duration_s, golden in content.get("feature_intervals", {}).get("counts", {}).items():
        table = _intervals({"v": float(duration_s)})
        last = f"{table['start_s'].iloc[-1]:.2f}" if len(table) else None
        found = {"rows": len(table), "last_start": last}
        yield compare_exactly(f"feature_intervals {duration_s} s", found, golden)
    folder = data_folder(case.path)
    for name, compare_facts in (
        ("ave", _ave),
        ("epic_action_classes", _action_classes),
        ("epic_validation_windows", _validation_windows),
        ("epic_validation_subset_windows", _subset_windows),
    ):
        if name in content:
            try:
                yield from compare_facts(folder, content[name])
            except FileNotFoundError as error:
                logger.warning("%s: not compared, there is no %s", name, error)


def _existing(path: Path) -> Path:
    """Return the path, or that of the same table as CSV.

    Raises:
        FileNotFoundError: if there is neither.
    """
    for candidate in (path, path.with_suffix(".csv")):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(path)


def _intervals(durations: Mapping[str, float]) -> pd.DataFrame:
    unknown = {"frames": np.nan, "fps": np.nan}
    videos = {"video_id": list(durations), "duration_s": list(durations.values())}
    return interval_table(pd.DataFrame(videos).assign(**unknown))


def _ave(folder: Path, golden: Mapping[str, Any]) -> Iterator[Comparison]:
    annotations = ave.read_annotations(_existing(folder / "ave" / "Annotations.txt"))
    lists = {s: _existing(folder / "ave" / f"{s}_order.h5") for s in golden["splits"]}
    splits = ave.read_splits(lists, annotations)
    classes = ave.class_names(annotations)
    yield compare_exactly("ave classes", classes, golden["classes"])
    for split, expected in golden["splits"].items():
        segments = ave.segments({split: splits[split]}, classes)
        table = join_queries(queries_of_segments(segments))
        for modality, column in (("visual", "action_class"), ("audio", "class_id")):
            rows = table[table["modality"] == modality]
            lines = [
                f"{r.annotation_id},{r.video_id},{r.start_s:.0f},{r.stop_s:.0f},{c}"
                for r, c in zip(rows.itertuples(), rows[column], strict=True)
            ]
            counts = rows[column].value_counts().reindex(range(len(classes)), fill_value=0)
            found = {
                "lines": len(splits[split]),
                "rows": len(rows),
                "unique_videos": rows["video_id"].nunique(),
                "first_rows": lines[: len(expected["first_rows"])],
                "class_counts": counts.to_list(),
                "background_share": round(float(counts.iloc[-1] / len(rows)), 6),
                "sha256": _digest(lines),
            }
            for name, value in found.items():
                array = f"ave {split} {modality} {name}"
                yield compare_exactly(array, value, expected[name])


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _action_classes(folder: Path, golden: Mapping[str, Any]) -> Iterator[Comparison]:
    tables = [
        epic_kitchens.read_events(_existing(folder / "epic100" / f"EPIC_100_{name}.pkl"), name)
        for name in ("train", "validation")
    ]
    pairs = action_pairs(tables).tolist()
    number = {tuple(pair): k for k, pair in enumerate(pairs)}
    first = tables[1][["verb_class", "noun_class"]].head(5).to_numpy().tolist()
    verbs = [verb for verb, _ in pairs]
    found = {
        "count": len(pairs),
        "sha256_of_lines_verb_comma_noun": _digest([f"{verb},{noun}" for verb, noun in pairs]),
        "first_class_of_verbs_0_1_2_3": [verbs.index(verb) for verb in range(4)],
        "classes_per_verb_0_to_9": [verbs.count(verb) for verb in range(10)],
        "last_three_pairs": pairs[-3:],
        "first_five_validation_rows": [[*pair, number[tuple(pair)]] for pair in first],
    }
    for name, value in found.items():
        if name in golden:
            yield compare_exactly(f"epic_action_classes {name}", value, golden[name])


def _epic_validation(folder: Path) -> tuple[list[Part], dict[str, float]]:
    """Return the visual and the audio queries, and the lengths of all videos."""
    names = ("epic100/EPIC_100_validation.pkl", "epic_sounds/EPIC_Sounds_validation.pkl")
    kitchens, sounds = (_existing(folder / name) for name in names)
    durations = read_durations(_existing(folder / "epic100" / "EPIC_100_video_info.csv"))
    # Windows do not depend on classes; those of actions need the train table, too.
    actions = epic_kitchens.read_events(kitchens, "val").assign(action_class=0)
    parts = [
        queries_of_events(actions, "visual"),
        queries_of_events(epic_sounds.read_events(sounds, "val"), "audio"),
    ]
    return parts, durations


def _windows(
    parts: Sequence[Part], durations: Mapping[str, float], recipe: TimRecipe
) -> WindowIndex:
    queries = join_queries(parts)
    used = set(queries["video_id"])
    lengths = {video_id: s for video_id, s in durations.items() if video_id in used}
    return build_windows(queries, _intervals(lengths), lengths, recipe)


def _validation_windows(folder: Path, golden: Mapping[str, Any]) -> Iterator[Comparison]:
    given = SETTINGS.search(golden["inputs"])
    if given is None:
        raise ValueError(f"no numbers of the windows in {golden['inputs']!r}")
    recipe = TimRecipe(
        name="case",
        num_feats=int(given[1]),
        feat_stride=int(given[2]),
        feat_gap_s=float(given[3]),
        window_stride_s=float(given[4]),
    )
    index = _windows(*_epic_validation(folder), recipe)
    exact, means = window_facts(index)
    for name, value in exact.items():
        if name in golden:
            yield compare_exactly(f"epic_validation_windows {name}", value, golden[name])
    for name, mean in means.items():
        if name in golden:
            yield compare(f"epic_validation_windows {name}", mean, golden[name], HALF_DIGIT)


def window_facts(index: WindowIndex) -> tuple[dict[str, int], dict[str, float]]:
    """Return what the originals note of windows: counts, and sizes and means."""
    counts = index.counts()
    parts = np.round(index.query_stop_s - index.query_start_s, DECIMALS)
    exact = {
        **{name: counts[name] for name in ("windows", "queries", "visual_views", "audio_views")},
        "num_actions": counts["queries"],
        "max_visual_true": counts["largest_visual_queries"],
        "max_audio_true": counts["largest_audio_queries"],
        "true_max_visual": counts["largest_visual_queries"],
        "true_max_audio": counts["largest_audio_queries"],
        "average_queries_reported": round(len(index.query) / len(index)),
        "avg_queries_per_window": round(len(index.query) / len(index)),
    }
    sizes = {
        "mean_visual_per_window": counts["visual_views"] / len(index),
        "mean_audio_per_window": counts["audio_views"] / len(index),
        "min_query": float(parts.min()),
        "max_query": float(parts.max()),
    }
    return exact, sizes


def _subset_windows(folder: Path, golden: Mapping[str, Any]) -> Iterator[Comparison]:
    all_parts, durations = _epic_validation(folder)
    parts = [part[part["video_id"].isin(golden["videos"])] for part in all_parts]
    for case_id, case in golden["cases"].items():
        a = case["arguments"]
        modality = a.get("data_modality", "audio_visual")
        kept = [p for p, m in zip(parts, ("visual", "audio"), strict=True) if m in modality]
        recipe = TimRecipe(
            name="case",
            num_feats=a["num_feats"],
            feat_stride=a["feat_stride"],
            feat_gap_s=a["feat_gap"],
            window_stride_s=a.get("window_stride", 1.0),
        )
        index = _windows(kept, durations, recipe)
        exact, sizes = window_facts(index)
        found = exact | {"sha256_of_window_lines": _digest(list(_lines(index)))}
        for name, value in found.items():
            if name in case:
                yield compare_exactly(f"{case_id} {name}", value, case[name])
        for name, size in sizes.items():
            if name in case:
                yield compare(f"{case_id} {name}", size, case[name], HALF_DIGIT)


def _lines(index: WindowIndex) -> Iterator[str]:
    for i in range(len(index)):
        span = slice(index.offsets[i], index.offsets[i + 1])
        queries, is_visual = index.query[span], index.is_visual[span]
        numbers = (index.rows[i], queries[is_visual], queries[~is_visual])
        video_id = index.video_ids[index.video[i]]
        times = f"{index.start_s[i]:.3f},{index.stop_s[i]:.3f}"
        yield f"{video_id},{times},{','.join(' '.join(map(str, n)) for n in numbers)}"
