"""How the narrow encoders of the miniatures are trained, in place of published weights."""

from dataclasses import dataclass

from avlib.training.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """Contrastive training of an encoder on rendered clips.

    Attributes:
        clips_per_action: number of training clips of each action.
        validated_per_action: number of validation clips of each action.
        batch_size: clips a step.
        text_pairs: pairs of texts a step.
        text_steps: steps of pairs of texts alone, before the first of clips.
        schedule: learning rates, and the number of epochs.
        quick_epochs: those at the start in which CLAP's sounds are not fused, at a third of the
            time.
        validate_every: epochs from one validation to the next.
    """

    clips_per_action: int
    validated_per_action: int = 2
    batch_size: int = 24
    text_pairs: int = 36
    text_steps: int = 250
    schedule: Schedule
    quick_epochs: int = 0
    validate_every: int = 3


def _schedule(epochs: int) -> Schedule:
    return Schedule(2e-3, epochs, "cosine", warmup_epochs=0.1 * epochs, warmup_start_rate=2e-4)


_ASE = EncoderRecipe(clips_per_action=8, schedule=_schedule(14))
ENCODER_RECIPES = {
    "clap": EncoderRecipe(clips_per_action=8, schedule=_schedule(12), quick_epochs=8),
    "ase_audiocaps": _ASE,
    "ase_clotho": _ASE,
    "egovlp": EncoderRecipe(clips_per_action=8, schedule=_schedule(8)),
}
