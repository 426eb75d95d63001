"""The subsets of EPIC-KITCHENS-100 that its challenge reports: participants and tail classes.

Source: Damen et al., "Rescaling Egocentric Vision", IJCV 2022, section 4.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.datasets.epic_kitchens import read_tail_classes
from avlib.tim import event_scores
from avlib.tim.tables import LABEL_COLUMNS, VISUAL_HEADS


@dataclass(frozen=True, eq=False)
class ChallengeSubsets:
    """The subsets of EPIC-KITCHENS-100 that its challenge reports.

    Attributes:
        truth: `video_id`, `verb_class` and `noun_class` of the actions of the split, by
            annotation_id.
        participants: those without a train video.
        tail: numbers of the tail classes of `verb` and `noun`.
    """

    truth: pd.DataFrame
    participants: Sequence[str]
    tail: Mapping[str, Collection[int]]

    @classmethod
    def read(
        cls,
        queries: pd.DataFrame,
        split: str,
        class_counts: Mapping[str, int],
        tail_files: Mapping[str, Path],
    ) -> "ChallengeSubsets | None":
        """Return the subsets; None where there are no verbs and nouns, or no train labels.

        Args:
            queries: table of kind QUERIES, of all splits.
            split: that is evaluated.
            class_counts: number of classes by head.
            tail_files: official lists of tail classes, by `verb` and `noun`; the classes of another
                are counted in the train split.

        Raises:
            DataError: if a list is wrong.
        """
        if not {"verb", "noun"} <= class_counts.keys():
            return None
        actions = queries[queries["modality"] == "visual"]
        train = actions[(actions["split"] == "train") & actions["verb_class"].notna()]
        truth = actions[actions["split"] == split].set_index("annotation_id")
        if not len(train) or not len(truth):
            return None
        tail = {}
        for head in ("verb", "noun"):
            if head in tail_files:
                tail[head] = read_tail_classes(tail_files[head], head)
            else:
                labels = train[LABEL_COLUMNS[head]].dropna().to_numpy()
                tail[head] = event_scores.tail_classes(labels, class_counts[head])
        participants = event_scores.unseen_participants(truth["video_id"], train["video_id"])
        return cls(truth, participants, tail)

    def shares(self, hits: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
        """Return the shares of each head over both subsets."""
        visual = {h: t for h, t in hits.items() if h in (*VISUAL_HEADS, event_scores.BOTH)}
        by = event_scores.participant(self.truth["video_id"]).isin(list(self.participants))
        return {
            "unseen_participants": event_scores.subset_shares(visual, dict.fromkeys(visual, by)),
            "tail_classes": event_scores.subset_shares(
                visual, event_scores.tail_queries(self.truth, self.tail)
            ),
        }

    def counts(self) -> dict[str, Any]:
        """Return who and what the subsets are."""
        tail = {head: len(numbers) for head, numbers in self.tail.items()}
        return {"unseen_participants": list(self.participants), "tail_classes": tail}
