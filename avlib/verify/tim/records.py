"""Operation of the records: by which accuracies the original keeps weights, and stops."""

from dataclasses import dataclass, field
from typing import Any

from avlib.verify.operations import Arguments, Inputs, Results, operation

# Names of records in the original, and the accuracy of each; the tags of its answer in their order.
VALUES = {"visual": "action", "visual_mt": "verb_noun", "audio": "audio", "combined": "combined"}
TAGS = {"combined": "combined", "audio": "audio", "action": "act_visual"}


@dataclass
class BestRecords:
    """The highest accuracy so far of each way to measure it, and the epoch that had it.

    Attributes:
        best: by the original's name; 0 before the first epoch.
        epochs: by the original's name, from 1; 0 before the first epoch.
        epoch: number of finished epochs.
    """

    best: dict[str, float] = field(default_factory=lambda: dict.fromkeys(VALUES, 0.0))
    epochs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUES, 0))
    epoch: int = 0

    def update(self, accuracy: dict[str, float]) -> str:
        """Enter the accuracies of the next epoch; return how the original calls the records."""
        self.epoch += 1
        improved = {m for name, m in VALUES.items() if accuracy.get(m, 0.0) > self.best[name]}
        for name, measure in VALUES.items():
            if measure in improved:
                self.best[name], self.epochs[name] = accuracy[measure], self.epoch
        tag = "_".join(tag for measure, tag in TAGS.items() if measure in improved) or "none"
        return tag + "_mt_visual" * ("verb_noun" in improved)

    def is_stalled(self, name: str, patience: int | None) -> bool:
        """Return whether an accuracy has had no record for more than `patience` epochs."""
        return patience is not None and self.epoch - self.epochs[name] > patience


class RecordArguments(Arguments):
    """What is measured in each epoch; epochs without a record before the end, null for any."""

    measures: list[str]
    early_stop_epochs: int | None


@operation("tim", "best_records")
def best_records(arguments: RecordArguments, inputs: Inputs) -> Results:
    """Return, for each epoch, the records' tag, whether the training stops, and the best before.

    `accuracies` hold [top-1, top-5] of each measure of each epoch. The original stops by the
    record of visual actions, even where there are none.
    """
    records, answers = BestRecords(), []
    for accuracies in inputs["accuracies"]:
        before: dict[str, Any] = dict(records.best)
        top1 = dict(zip(arguments.measures, (values[0] for values in accuracies), strict=True))
        tag = records.update(top1)
        answers.append([tag, records.is_stalled("visual", arguments.early_stop_epochs), before])
    return {"answers": answers}
