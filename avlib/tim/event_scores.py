"""Metrics of recognition of events by the heads of TIM: shares in [0, 1], over queries.

Source: Chalk et al., "TIM", CVPR 2024, section 4; unseen participants and tail classes: Damen et
al., "Rescaling Egocentric Vision", IJCV 2022, section 4; sounds: Huh et al., "EPIC-SOUNDS",
ICASSP 2023.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avlib.evaluation.baselines import majority_share
from avlib.evaluation.recognition import confusion_matrix, recognition_metrics, top_k_hits

TOP = (1, 5)
BOTH = "verb_noun"  # verb and noun have to be right
TAIL_PARTS = 5  # the tail classes hold one of so many equal parts of the train instances
MOST_SHOWN = 40  # classes of a confusion matrix
OTHERS = "all other classes"

# A row a query with a known class, by annotation_id: video_id, class_id, predicted_class, and
# top1 and top5, whether its class is among the first ones.
Hits: TypeAlias = pd.DataFrame


def hits_of_head(rows: pd.DataFrame) -> Hits:
    """Return which queries are right, of those whose class is known.

    Args:
        rows: of a table of kind PREDICTIONS, of one head of one model.

    Raises:
        ValueError: if a class is out of range of the scores.
    """
    known = rows[rows["class_id"].notna()]
    labels = known["class_id"].to_numpy(dtype=np.int64)
    probs = scores(known)
    return pd.DataFrame(
        {
            "video_id": known["video_id"].to_numpy(),
            "class_id": labels,
            "predicted_class": known["predicted_class"].to_numpy(),
            **{f"top{k}": top_k_hits(probs, labels, k) for k in TOP},
        },
        index=pd.Index(known["annotation_id"], name="annotation_id"),
    )


def scores(rows: pd.DataFrame) -> NDArray[np.float32]:
    """Return the probabilities of rows of PREDICTIONS as an array: (N, K)."""
    return np.stack(rows["probs"].to_list()) if len(rows) else np.zeros((0, 0), np.float32)


def both_right(verb: Hits, noun: Hits) -> pd.DataFrame:
    """Return the queries whose verb and noun are both among the first ones; no class."""
    ids = verb.index.intersection(noun.index)
    first, second = verb.loc[ids], noun.loc[ids]
    return first[["video_id"]].assign(
        **{name: first[name] & second[name] for name in ("top1", "top5")}
    )


def shares(hits: pd.DataFrame) -> dict[str, Any]:
    """Return `items`, `top1` and `top5`; no share without items."""
    found: dict[str, Any] = {"items": len(hits)}
    return found | {n: float(hits[n].mean()) if len(hits) else None for n in ("top1", "top5")}


def class_accuracies(hits: Hits, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return `class_id`, `label`, `items` and `accuracy` of each class that occurs, by number."""
    by_class = hits.groupby("class_id")["top1"].agg(["size", "mean"])
    return [
        {"class_id": int(k), "label": names[k], "items": int(size), "accuracy": float(mean)}
        for k, size, mean in by_class.itertuples()
    ]


def head_metrics(hits: Hits, names: Sequence[str]) -> dict[str, Any]:
    """Return the accuracies of a head.

    Returns:
        `items`, `top1` and `top5`; `classes` that occur, and `mean_class_accuracy` over them; and
        `majority_share`, what predicting the most frequent class reaches.
    """
    each = [row["accuracy"] for row in class_accuracies(hits, names)]
    return shares(hits) | {
        "classes": len(each),
        "mean_class_accuracy": float(np.mean(each)) if each else None,
        "majority_share": majority_share(hits["class_id"]),
    }


def sound_metrics(rows: pd.DataFrame) -> dict[str, Any]:
    """Return what EPIC-SOUNDS reports beside accuracies: `mAP`, `AUC` and `d_prime`.

    Args:
        rows: of a table of kind PREDICTIONS, of the audio head of one model.
    """
    known = rows[rows["class_id"].notna()]
    found = recognition_metrics(scores(known), known["class_id"].to_numpy(dtype=np.int64))
    return {name: found[name] for name in ("mAP", "AUC", "d_prime")}


def participant(video_ids: "pd.Series[str]") -> "pd.Series[str]":
    """Return who recorded each video of EPIC-KITCHENS: `P01` of `P01_11`."""
    return video_ids.str.partition("_")[0]


def unseen_participants(videos: "pd.Series[str]", train_videos: "pd.Series[str]") -> list[str]:
    """Return the participants of `videos` that recorded no train video, sorted."""
    return sorted(set(participant(videos)) - set(participant(train_videos)))


def tail_classes(train_labels: ArrayLike, num_classes: int) -> list[int]:
    """Return the smallest classes that together hold at most 20 % of the train instances, sorted.

    Of classes of one size the lower numbers are smaller. A class without instances is among them.

    Args:
        train_labels: (N,) classes of the train split, in [0, K).
        num_classes: K.
    """
    counts = np.bincount(np.asarray(train_labels, dtype=np.int64), minlength=num_classes)
    order = np.argsort(counts, kind="stable")
    is_tail = TAIL_PARTS * np.cumsum(counts[order]) <= counts.sum()
    return sorted(order[is_tail].tolist())


def tail_queries(
    truth: pd.DataFrame, tail: Mapping[str, Collection[int]]
) -> dict[str, "pd.Series[bool]"]:
    """Return whether the class of each query is a tail class, by head.

    An action is of the tail if its verb is, or its noun.

    Args:
        truth: `verb_class` and `noun_class` by annotation_id.
        tail: numbers of the tail classes of `verb` and `noun`.
    """
    verb, noun = (truth[f"{head}_class"].isin(list(tail[head])) for head in ("verb", "noun"))
    return {"verb": verb, "noun": noun, "action": verb | noun, BOTH: verb | noun}


def subset_shares(
    hits: Mapping[str, pd.DataFrame], chosen: Mapping[str, "pd.Series[bool]"]
) -> dict[str, dict[str, Any]]:
    """Return the shares of each head over a subset of the queries.

    Args:
        hits: of each head, by annotation_id.
        chosen: whether each query is of the subset, by head and annotation_id.
    """
    found = {}
    for head, table in hits.items():
        if head in chosen:
            ids = chosen[head].index[chosen[head]]
            found[head] = shares(table[table.index.isin(ids)])
    return found


def confusion(hits: Hits, names: Sequence[str]) -> dict[str, Any]:
    """Return how often which class is predicted as which, of the commonest classes.

    Returns:
        `classes`, the names of at most MOST_SHOWN classes by number, those with most items, and
        OTHERS for the rest where it has an item; and `counts` by true class (rows) and predicted
        class. Items of OTHERS on the diagonal need not be right.
    """
    numbers, counts = np.unique(hits["class_id"], return_counts=True)
    shown = np.sort(numbers[np.argsort(-counts, kind="stable")[:MOST_SHOWN]])
    place = np.full(len(names), len(shown))
    place[shown] = np.arange(len(shown))
    predicted, truth = (place[hits[n].to_numpy()] for n in ("predicted_class", "class_id"))
    matrix = confusion_matrix(predicted, truth, len(shown) + 1)
    classes = [names[k] for k in shown]
    if matrix[-1].any() or matrix[:, -1].any():
        classes.append(OTHERS)
    return {"classes": classes, "counts": matrix[: len(classes), : len(classes)].tolist()}
