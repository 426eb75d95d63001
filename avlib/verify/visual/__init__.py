"""Golden cases of the visual features, and of the sound features that go with VGG-19."""

from collections.abc import Callable, Iterator, Mapping

from avlib.verify.golden import Case, Comparison, Numerics
from avlib.verify.visual import omnivore, tables, vgg19, vggish, videomae

Runner = Callable[[Case, Numerics], Iterator[Comparison]]

STATE_DICTS = {"<networks>"}  # stands for entries that list the weights of a network each

# Kind of case, the keys that tell it from others, and what runs it; the first that fits counts.
KINDS: tuple[tuple[str, set[str], Runner], ...] = (
    ("omnivore_augmented", {"dataset", "augmentation", "ops_per_frame"}, omnivore.augmented),
    ("omnivore_transforms", {"dataset", "frames", "crop", "num_frames"}, omnivore.transforms),
    ("omnivore", {"model", "fill_seed", "input"}, omnivore.features),
    ("frame_tables", {"omnivore_frame_indices"}, tables.frame_tables),
    ("frame_tables", {"videomae_frame_indices"}, tables.frame_tables),
    ("frame_tables", {"interval_tables"}, tables.frame_tables),
    ("rearrange", {"variant", "rows", "num_features"}, tables.rearrange),
    ("state_dicts", STATE_DICTS, tables.state_dicts),
    ("vggish", {"wave", "examples", "fill_seed"}, vggish.vggish),
    ("vgg19", {"frames", "seconds", "frames_per_second_sampled"}, vgg19.vgg19),
    ("vgg19", {"case", "preprocessing"}, vgg19.vgg19),
    ("videomae", {"depth", "fill_seed", "input"}, videomae.videomae),
    ("videomae_transforms", {"frames", "start_stop", "augmented"}, videomae.transforms),
)


def recognise(case: Case) -> str | None:
    """Return the kind of a case, or None if it is not one of this system."""
    keys = set(case.content)
    networks = [entry.keys() for entry in case.content.values() if isinstance(entry, Mapping)]
    if any(network & {"trunk", "state_dict"} for network in networks):
        keys |= STATE_DICTS
    return next((kind for kind, needed, _ in KINDS if needed <= keys), None)


def run(kind: str, case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Run a case of a recognised kind."""
    runner = next(runner for name, _, runner in KINDS if name == kind)
    return runner(case, numerics)
