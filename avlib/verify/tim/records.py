"""Golden cases of the records: by which accuracies the original keeps weights, and stops."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from avlib.verify.golden import Case, Comparison, Numerics, compare_exactly

RECORDS = ("action", "verb_noun", "audio", "combined")
# Names of the records in the original, in the order in which its answer joins them.
TAGS = {"combined": "combined", "audio": "audio", "action": "act_visual"}
VALUES = {"visual": "action", "visual_mt": "verb_noun", "audio": "audio", "combined": "combined"}


@dataclass
class BestRecords:
    """The highest accuracy so far of each way to measure it, and the epoch that had it.

    Attributes:
        best: by name in RECORDS; 0 before the first epoch.
        epochs: by name, from 1; 0 before the first epoch.
        epoch: number of finished epochs.
    """

    best: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RECORDS, 0.0))
    epochs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RECORDS, 0))
    epoch: int = 0

    def update(self, accuracy: Mapping[str, float]) -> set[str]:
        """Note the accuracies of the next epoch; return the names of those that are records."""
        self.epoch += 1
        improved = {name for name in RECORDS if accuracy.get(name, 0.0) > self.best[name]}
        for name in improved:
            self.best[name], self.epochs[name] = accuracy[name], self.epoch
        return improved

    def is_stalled(self, select_by: str, patience: int | None) -> bool:
        """Say whether `select_by` has had no record for more than `patience` epochs."""
        return patience is not None and self.epoch - self.epochs[select_by] > patience


def best_records(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare, epoch by epoch, which accuracies are records and when the training stops.

    The original stops by the record of visual actions, even where there are none.
    """
    c = case.content
    names = _fed(c["dataset"], c["data_modality"], has_verb_noun=c["include_verb_noun"])
    period = c["early_stop_period"]
    records = BestRecords()
    answers = []
    for accuracies in c["accuracies"]:
        before = values_of(records)
        top1 = (values[0] for values in accuracies)
        improved = records.update(dict(zip(names, top1, strict=True)))
        stops = records.is_stalled("action", period if period > 0 else None)
        answers.append([answer_of(improved), stops, before])
    yield compare_exactly("answers", answers, c["answers"])


def _fed(dataset: str, data_modality: str, *, has_verb_noun: bool) -> Sequence[str]:
    names: list[str] = []
    if data_modality != "audio":
        names += [*(("verb", "noun", "verb_noun") if has_verb_noun else ()), "action"]
    if data_modality != "visual":
        names += ["audio"]
    if dataset == "ave" and data_modality == "audio_visual":
        names += ["combined"]
    return names


def values_of(records: BestRecords) -> dict[str, float]:
    """Return the records under their names in the original."""
    return {theirs: records.best[ours] for theirs, ours in VALUES.items()}


def answer_of(improved: set[str]) -> str:
    """Return what the original says when these accuracies are records."""
    answer = "_".join(tag for name, tag in TAGS.items() if name in improved) or "none"
    return answer + "_mt_visual" * ("verb_noun" in improved)
