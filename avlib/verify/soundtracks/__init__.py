"""Golden cases of the soundtracks of Kinetics-600: images of sound, lists, networks, fusion."""

from collections.abc import Callable, Iterator

from avlib.verify.golden import Case, Comparison, Numerics
from avlib.verify.soundtracks import fusion, images, lists, networks, training

Runner = Callable[[Case, Numerics], Iterator[Comparison]]

STATE_DICTS = {"<networks>"}  # stands for entries that list the weights of a network each

# Kind of case, the keys that tell it from others, and what runs it; the first that fits counts.
KINDS: tuple[tuple[str, set[str], Runner], ...] = (
    ("audio_images", {"wave", "n_fft", "hop_length", "n_images"}, images.made_by_rule),
    ("audio_channels", {"samples", "sample_rate", "channels", "n_images"}, images.channels),
    ("real_wav", {"n_fft", "hop_length", "n_images"}, images.recording),
    ("match_index", {"video_positions_without_soundtrack"}, lists.match_index),
    ("small_lists", {"videos", "soundtracks_in_reference_order"}, lists.small_lists),
    ("networks", {"network", "kwargs", "fill_seed", "input"}, networks.forward),
    ("state_dicts", STATE_DICTS, networks.state_dicts),
    ("train_steps", {"layers", "num_classes", "steps", "batch", "weights"}, training.train_steps),
    ("fusion", {"averaging", "fusion"}, fusion.fusion),
)


def recognise(case: Case) -> str | None:
    """Return the kind of a case, or None if it is not one of this system."""
    known = set(case.content)
    if networks.lists_networks(case.content):
        known |= STATE_DICTS
    return next((kind for kind, keys, _ in KINDS if keys <= known), None)


def run(kind: str, case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Run a case of a recognised kind."""
    runner = next(runner for name, _, runner in KINDS if name == kind)
    return runner(case, numerics)
