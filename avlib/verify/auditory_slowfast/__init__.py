"""Golden cases of Auditory SlowFast: from the sound to features, and the training of weights."""

from collections.abc import Callable, Iterator

from avlib.verify.auditory_slowfast import front_end, network, tables, training
from avlib.verify.golden import Case, Comparison, Numerics

Runner = Callable[[Case, Numerics], Iterator[Comparison]]

# Kind of case, the keys that tell it from others, and what runs it; the first that fits counts.
KINDS: tuple[tuple[str, set[str], Runner], ...] = (
    ("train_steps", {"input", "fill_seed", "lr", "steps", "losses"}, training.train_steps),
    ("log_mel", {"wave", "start_sec", "stop_sec", "set_index"}, front_end.log_mel_of_interval),
    ("sound_features", {"wave", "intervals", "fill_seed"}, network.sound_features),
    ("forward", {"input", "fill_seed", "config"}, network.forward),
    ("forward", {"input", "fill_seed", "num_classes"}, network.forward),
    ("packing", {"frames", "alpha", "slow_indices"}, network.packing),
    ("state_dict", {"backbone", "heads"}, network.state_dict),
    ("spec_augment", {"op", "input"}, front_end.spec_augment),
    ("intervals", {"num_frames", "fps", "window", "hop"}, tables.intervals),
    ("arrange", {"rows", "output_row_source"}, tables.arrange),
    ("learning_rate", {"solver", "epoch", "lr"}, training.rates),
    ("metrics", {"top1_acc", "mPCA"}, training.metrics),
)


def recognise(case: Case) -> str | None:
    """Return the kind of a case, or None if it is not one of this system."""
    return next((kind for kind, keys, _ in KINDS if keys <= case.content.keys()), None)


def run(kind: str, case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Run a case of a recognised kind."""
    runner = next(runner for name, _, runner in KINDS if name == kind)
    return runner(case, numerics)
