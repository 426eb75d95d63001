"""Operations on public annotation files: classes, segments, feature intervals, windows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.datasets import ave, epic_kitchens, epic_sounds
from avlib.datasets.timed_tables import read_durations
from avlib.extractors.intervals import interval_table
from avlib.tim.queries import join_queries, queries_of_events, queries_of_segments
from avlib.tim.recipes import TimRecipe
from avlib.tim.windows import WindowIndex, build_windows
from avlib.verify.operations import Results, operation
from avlib.verify.tim.windows import Files, cut, window_counts


def _intervals(durations: Mapping[str, float], interval_s: float, hop_s: float) -> pd.DataFrame:
    videos = {"video_id": list(durations), "duration_s": list(durations.values())}
    table = pd.DataFrame(videos).assign(frames=np.nan, fps=np.nan)
    return interval_table(table, interval_s=interval_s, hop_s=hop_s)


@operation("tim", "feature_intervals")
def feature_intervals(
    durations: Mapping[str, float], *, interval_s: float, hop_s: float
) -> Results:
    """Return the number of rows, and the last start as text, of each video by its seconds."""
    tables = {name: _intervals({name: s}, interval_s, hop_s) for name, s in durations.items()}
    starts = {name: [f"{s:.2f}" for s in table["start_s"]] for name, table in tables.items()}
    return {
        name: {"rows": len(s), "last_start": s[-1] if s else None} for name, s in starts.items()
    }


@operation("tim", "ave_segments")
def ave_segments(
    annotations: Path, train: Files = None, val: Files = None, test: Files = None
) -> Results:
    """Return the classes of AVE, and counts and lines of the queries of each split.

    A line is `id,video_id,start_s,stop_s,class_id`, in the order of the list of the split.
    """
    table = ave.read_annotations(annotations)
    given = {"train": train, "val": val, "test": test}
    lists = {split: path for split, path in given.items() if path is not None}
    splits = ave.read_splits(lists, table)
    classes = ave.class_names(table)
    results: dict[str, Any] = {"classes": classes}
    for split in lists:
        segments = ave.segments({split: splits[split]}, classes)
        queries = join_queries(queries_of_segments(segments))
        for modality, column in (("visual", "action_class"), ("audio", "class_id")):
            rows = queries[queries["modality"] == modality]
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


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@operation("tim", "epic_action_classes")
def epic_action_classes(train: Path, validation: Path) -> Results:
    """Return the action classes of EPIC-KITCHENS-100, and those of the validation rows.

    `text` has a line `verb,noun` for each class.
    """
    named = (("train", train), ("validation", validation))
    tables = [epic_kitchens.read_events(path, name) for name, path in named]
    pairs = epic_kitchens.action_pairs(tables).tolist()
    number = {tuple(pair): k for k, pair in enumerate(pairs)}
    rows = tables[1][["verb_class", "noun_class"]].to_numpy().tolist()
    verbs = [verb for verb, _ in pairs]
    return {
        "count": len(pairs),
        "pairs": pairs,
        "text": _text(f"{verb},{noun}" for verb, noun in pairs),
        "first_class_of_verb": [verbs.index(verb) for verb in sorted(set(verbs))],
        "classes_per_verb": np.bincount(verbs),
        "validation_rows": [[*pair, number[tuple(pair)]] for pair in rows],
    }


@operation("tim", "epic_windows", cut=cut)
def epic_windows(
    cut: Callable[[], TimRecipe],
    durations: Path,
    actions: Files = None,
    sounds: Files = None,
    *,
    interval_s: float,
    hop_s: float,
    videos: list[str] | None = None,
) -> Results:
    """Return counts of the windows of EPIC-KITCHENS-100 and EPIC-SOUNDS, and their lines.

    A line is video, start, stop (three decimals), feature rows, visual and audio queries. The
    queries are those of `actions`, of `sounds`, or of both, of all videos or of some.
    """
    parts = []
    if actions is not None:  # windows do not depend on classes
        events = epic_kitchens.read_events(actions, "val").assign(action_class=0)
        parts.append(queries_of_events(events, "visual"))
    if sounds is not None:
        parts.append(queries_of_events(epic_sounds.read_events(sounds, "val"), "audio"))
    if videos is not None:
        parts = [part[part["video_id"].isin(videos)] for part in parts]
    queries = join_queries(parts)
    used = set(queries["video_id"])
    seconds = {v: s for v, s in read_durations(durations).items() if v in used}
    index = build_windows(queries, _intervals(seconds, interval_s, hop_s), seconds, cut())
    return window_counts(index) | {"text": _text(_lines(index))}


def _lines(index: WindowIndex) -> Iterator[str]:
    for i in range(len(index)):
        span = slice(index.offsets[i], index.offsets[i + 1])
        queries, is_visual = index.query[span], index.is_visual[span]
        numbers = (index.rows[i], queries[is_visual], queries[~is_visual])
        video_id = index.video_ids[index.video[i]]
        times = f"{index.start_s[i]:.3f},{index.stop_s[i]:.3f}"
        yield f"{video_id},{times},{','.join(' '.join(map(str, n)) for n in numbers)}"
