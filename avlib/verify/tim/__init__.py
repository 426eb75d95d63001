"""Golden cases of TIM for recognition: the network, its training and its evaluation."""

from collections.abc import Callable, Iterator

from avlib.verify.golden import Case, Comparison, Numerics
from avlib.verify.tim import checkpoint, datasets, facts, network, records, scores, training

Runner = Callable[[Case, Numerics], Iterator[Comparison]]

# Kind of case, the keys or arrays that tell it from others, and what runs it; the first that
# fits counts.
KINDS: tuple[tuple[str, set[str], Runner], ...] = (
    ("forward", {"config", "strides", "num_v_queries", "times"}, network.forward),
    ("state_dict", {"configurations"}, network.state_dicts),
    ("train_steps", {"config", "clip_grad_norm_1", "param_order", "losses"}, training.train_steps),
    ("checkpoint", {"config", "keys", "foreign_globals", "times"}, checkpoint.checkpoint),
    ("learning_rate", {"base_lr", "steps_per_epoch", "eta_min", "step"}, training.rates),
    ("mixup", {"lambda", "perm", "out0", "loss"}, training.mixup),
    ("drloc", {"pos1", "pos2", "cross_modal", "single"}, training.drloc),
    ("meter", {"expected", "ids_visual", "ids_audio", "batch_losses"}, scores.meter),
    ("meter_ave", {"expected", "logits_visual", "logits_audio", "labels"}, scores.meter_ave),
    ("best_records", {"early_stop_period", "accuracies", "answers"}, records.best_records),
    ("data_sets", {"datasets", "feature_seed"}, datasets.data_sets),
    ("facts", {"feature_intervals"}, facts.facts),
    ("facts", {"ave"}, facts.facts),
    ("facts", {"epic_validation_subset_windows"}, facts.facts),
    ("facts", {"epic_validation_windows"}, facts.facts),
    ("facts", {"epic_action_classes"}, facts.facts),
)


def recognise(case: Case) -> str | None:
    """Return the kind of a case, or None if it is not one of this system."""
    known = case.content.keys() | case.own_arrays().keys()
    return next((kind for kind, keys, _ in KINDS if keys <= known), None)


def run(kind: str, case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Run a case of a recognised kind."""
    runner = next(runner for name, _, runner in KINDS if name == kind)
    return runner(case, numerics)
