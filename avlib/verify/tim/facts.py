"""Operations on public annotation files: classes, segments, feature intervals, windows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from avlib.datasets import ave, epic_kitchens, epic_sounds
from avlib.extractors.intervals import interval_table
from avlib.tim.queries import (
    action_pairs,
    join_queries,
    queries_of_events,
    queries_of_segments,
    read_durations,
)
from avlib.tim.windows import WindowIndex, build_windows
from avlib.verify.operations import Arguments, Inputs, Results, operation
from avlib.verify.tim.windows import CutArguments, window_counts

SPLITS = ("train", "val", "test")


class IntervalArguments(Arguments):
    """Length and distance of intervals in seconds."""

    interval_s: float
    hop_s: float


def _intervals(durations: Mapping[str, float], arguments: IntervalArguments) -> pd.DataFrame:
    videos = {"video_id": list(durations), "duration_s": list(durations.values())}
    table = pd.DataFrame(videos).assign(frames=np.nan, fps=np.nan)
    return interval_table(table, interval_s=arguments.interval_s, hop_s=arguments.hop_s)


@operation("tim", "feature_intervals")
def feature_intervals(arguments: IntervalArguments, inputs: Inputs) -> Results:
    """Return the number of rows, and the last start as text, of each video by its seconds."""
    results = {}
    for video_id, duration_s in inputs["durations"].items():
        table = _intervals({video_id: duration_s}, arguments)
        last = f"{table['start_s'].iloc[-1]:.2f}" if len(table) else None
        results[video_id] = {"rows": len(table), "last_start": last}
    return results


@operation("tim", "ave_segments")
def ave_segments(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the classes of AVE, and counts and lines of the queries of each split.

    A line is `id,video_id,start_s,stop_s,class_id`, in the order of the list of the split.
    """
    annotations = ave.read_annotations(inputs["annotations"])
    lists = {split: inputs[split] for split in SPLITS if split in inputs}
    splits = ave.read_splits(lists, annotations)
    classes = ave.class_names(annotations)
    results: dict[str, Any] = {"classes": classes}
    for split in lists:
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
                "class_counts": counts.to_list(),
                "background_share": float(counts.iloc[-1] / len(rows)),
                "text": _text(lines),
                **{f"line/{i}": line for i, line in enumerate(lines)},
            }
            results |= {f"{split}/{modality}/{name}": value for name, value in found.items()}
    return results


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@operation("tim", "epic_action_classes")
def epic_action_classes(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the action classes of EPIC-KITCHENS-100, and those of the validation rows.

    `text` has a line `verb,noun` for each class.
    """
    names = ("train", "validation")
    tables = [epic_kitchens.read_events(inputs[name], name) for name in names]
    pairs = action_pairs(tables).tolist()
    number = {tuple(pair): k for k, pair in enumerate(pairs)}
    rows = tables[1][["verb_class", "noun_class"]].to_numpy().tolist()
    verbs = [verb for verb, _ in pairs]
    return {
        "count": len(pairs),
        "pairs": pairs,
        "text": _text([f"{verb},{noun}" for verb, noun in pairs]),
        "first_class_of_verb": [verbs.index(verb) for verb in sorted(set(verbs))],
        "classes_per_verb": np.bincount(verbs),
        "validation_rows": [[*pair, number[tuple(pair)]] for pair in rows],
    }


class EpicWindowArguments(CutArguments, IntervalArguments):
    """How intervals and windows are cut, and which videos have them; null for all."""

    videos: list[str] | None = None


@operation("tim", "epic_windows")
def epic_windows(arguments: EpicWindowArguments, inputs: Inputs) -> Results:
    """Return counts of the windows of EPIC-KITCHENS-100 and EPIC-SOUNDS, and their lines.

    A line is video, start, stop (three decimals), feature rows, visual and audio queries. The
    queries are those of `actions`, of `sounds`, or of both.
    """
    parts = []
    if "actions" in inputs:
        # Windows do not depend on classes.
        actions = epic_kitchens.read_events(inputs["actions"], "val").assign(action_class=0)
        parts.append(queries_of_events(actions, "visual"))
    if "sounds" in inputs:
        sounds = epic_sounds.read_events(inputs["sounds"], "val")
        parts.append(queries_of_events(sounds, "audio"))
    if arguments.videos is not None:
        parts = [part[part["video_id"].isin(arguments.videos)] for part in parts]
    queries = join_queries(parts)
    used = set(queries["video_id"])
    durations = {v: s for v, s in read_durations(inputs["durations"]).items() if v in used}
    intervals = _intervals(durations, arguments)
    index = build_windows(queries, intervals, durations, arguments.recipe())
    return window_counts(index) | {"text": _text(list(_lines(index)))}


def _lines(index: WindowIndex) -> Iterator[str]:
    for i in range(len(index)):
        span = slice(index.offsets[i], index.offsets[i + 1])
        queries, is_visual = index.query[span], index.is_visual[span]
        numbers = (index.rows[i], queries[is_visual], queries[~is_visual])
        video_id = index.video_ids[index.video[i]]
        times = f"{index.start_s[i]:.3f},{index.stop_s[i]:.3f}"
        yield f"{video_id},{times},{','.join(' '.join(map(str, n)) for n in numbers)}"
