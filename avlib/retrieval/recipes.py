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
        validate_every: epochs from one validation to the next.
    """

    clips_per_action: int
    validated_per_action: int = 2
    batch_size: int = 24
    text_pairs: int = 36
    text_steps: int = 150
    schedule: Schedule
    validate_every: int = 3


def _schedule(epochs: int) -> Schedule:
    return Schedule(3e-3, epochs, "cosine", warmup_epochs=0.1 * epochs, warmup_start_rate=3e-4)


_ASE = EncoderRecipe(clips_per_action=8, schedule=_schedule(18))
ENCODER_RECIPES = {
    "clap": EncoderRecipe(clips_per_action=8, schedule=_schedule(11)),
    "ase_audiocaps": _ASE,
    "ase_clotho": _ASE,
    "egovlp": EncoderRecipe(clips_per_action=8, schedule=_schedule(9)),
}
