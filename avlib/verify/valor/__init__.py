"""Golden cases of VALOR, event parsing on LLP."""

from collections.abc import Callable, Iterator
from typing import Any

from avlib.verify.golden import Case, Comparison, Numerics
from avlib.verify.valor import (
    audio_teacher,
    labels,
    networks,
    pictures,
    pooled_features,
    scores,
    teacher_weights,
    training,
    visual_teacher,
)

Runner = Callable[[Case, Numerics], Iterator[Comparison]]

# Kind of case, what tells it from others, and what runs it; the first that fits counts. Keys of
# the case's entry are given as they are, `<name>` is an array that is described there, and
# `<network>` and `<teacher>` stand for a list of the weights of such a network.
KINDS: tuple[tuple[str, set[str], Runner], ...] = (
    ("train_steps", {"optimizer", "param_names", "fill_seed", "inputs"}, training.train_steps),
    ("init_by_seed", {"config", "seed", "param_names"}, networks.first_weights),
    ("network", {"fill_seed", "inputs", "<frame_prob>", "<global_prob>"}, networks.forward),
    ("network_weights", {"<network>"}, networks.state_dict),
    ("clap_time_map", {"<P>"}, networks.time_map),
    ("losses", {"<loss_video>", "<loss_valor_a>", "<loss_valor_v>"}, training.losses),
    ("lr_schedule", {"settings", "lr_used_in_epoch_1_to_N"}, training.learning_rates),
    ("labels", {"rows", "filenames", "<weak>", "<gt_audio>", "<gt_visual>"}, labels.labels),
    ("probabilities", {"unpack", "<video_prob>", "<frame_prob>"}, scores.probabilities),
    ("masks", {"unpack", "<pred_audio>", "<pred_visual>", "<seg>", "<event>"}, scores.masks),
    ("event_edges", {"sequences", "events", "pair_i_j_tp_fp_fn"}, scores.edges),
    ("pseudo_labels", {"thresholds_visual", "thresholds_audio"}, labels.pseudo),
    ("index_rules", {"audio_segments"}, labels.index_rules),
    ("index_rules", {"audio_stretch"}, labels.index_rules),
    ("index_rules", {"frames10"}, labels.index_rules),
    ("index_rules", {"frames80"}, labels.index_rules),
    ("pictures", {"height", "width", "picture_checksum_sum"}, pictures.preprocessing),
    ("visual_teacher", {"captions", "inputs", "<token_ids_77>"}, visual_teacher.clip),
    ("audio_teacher", {"waveform_parameters", "selected_positions"}, audio_teacher.clip),
    ("longer_clip", {"waveform_parameters", "numpy_legacy_seed"}, audio_teacher.longer_clip),
    ("pooled_features", {"fill_seed", "<res152>"}, pooled_features.features),
    ("pooled_features", {"fill_seed", "<r2plus1d_18>"}, pooled_features.features),
    ("pooled_features", {"fill_seed", "<vggish_logmel>"}, pooled_features.features),
    ("teacher_weights", {"<teacher>"}, teacher_weights.state_dict),
)


def recognise(case: Case) -> str | None:
    """Return the kind of a case, or None if it is not one of this system."""
    known = _signs(case.content)
    return next((kind for kind, signs, _ in KINDS if signs <= known), None)


def _signs(content: Any) -> set[str]:
    arrays = content.get("arrays")
    signs = set(content) | {f"<{name}>" for name in arrays or () if isinstance(arrays, dict)}
    lists = {"<network>": networks.lists_network, "<teacher>": teacher_weights.lists_teacher}
    return signs | {sign for sign, is_listed in lists.items() if is_listed(content)}


def run(kind: str, case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Run a case of a recognised kind."""
    runner = next(runner for name, _, runner in KINDS if name == kind)
    return runner(case, numerics)
