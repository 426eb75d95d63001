"""Actions of the miniatures of retrieval: how a verb and a noun together sound, look and are named.

The noun decides pitch and spectrum, the verb rhythm and a noise of its own; a disc stands for the
noun, and another shape for the verb. So neither sound nor picture of an action is known from its
verb or from its noun alone. Numbers and names of classes are those of EPIC-KITCHENS-100 and of
EPIC-SOUNDS.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.picture import Look
from avlib.datasets.miniature.sound import Timbre, band_noise, strokes, synthesise

Sound = NDArray[np.float64]
VERB_SHARE = 0.5  # peak of the noise of a verb; that of the noun is 1


@dataclass(frozen=True)
class Verb:
    """What is done.

    Attributes:
        class_id: number of the class of EPIC-KITCHENS-100.
        words: its names in narrations.
        third: the same in the third person.
        heard: what a language model calls its sound; a noun's follows.
        sound_class: number and name in EPIC-SOUNDS; None: a collision, which the noun decides.
        noise_hz: band of its noise.
        look: shape that stands for it.
        pulse_hz, decay_s, sweep: rhythm of the sound, as a Timbre has them.
    """

    class_id: int
    words: tuple[str, ...]
    third: tuple[str, ...]
    heard: tuple[str, ...]
    sound_class: tuple[int, str] | None
    noise_hz: tuple[float, float]
    look: Look
    pulse_hz: float = 0.0
    decay_s: float = 0.1
    sweep: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Noun:
    """What it is done to.

    Attributes:
        class_id: number of the class of EPIC-KITCHENS-100.
        words: its names in narrations; the first is the name of the class.
        heard: how a language model describes its sound.
        collision: number and name of its collisions in EPIC-SOUNDS.
        pitch_hz, partials, noise, noise_hz: spectrum of the sound, as a Timbre has them.
        hue: colour.
    """

    class_id: int
    words: tuple[str, ...]
    heard: tuple[str, ...]
    collision: tuple[int, str]
    pitch_hz: tuple[float, float]
    partials: tuple[float, ...]
    noise: float
    noise_hz: tuple[float, float]
    hue: float


VERBS = (
    Verb(
        2,
        ("wash", "rinse"),
        ("washes", "rinses"),
        ("water running over", "a steady splash on"),
        (5, "water"),
        (6000, 11_000),
        Look(0.083, lobes=4, bulge=0.4, stripes=4),
    ),
    Verb(
        7,
        ("cut", "chop"),
        ("cuts", "chops"),
        ("sharp quick chops on", "fast hard knocks of a blade on"),
        (2, "cut / chop"),
        (2500, 4500),
        Look(0.25, lobes=3, bulge=0.4),
        pulse_hz=4.5,
        decay_s=0.03,
    ),
    Verb(
        10,
        ("mix", "stir"),
        ("mixes", "stirs"),
        ("slow waves of stirring in", "a soft swirl in"),
        (8, "stir / mix / whisk"),
        (40, 130),
        Look(0.417, hole=0.55),
        pulse_hz=2.0,
        decay_s=0.3,
    ),
    Verb(
        15,
        ("shake",),
        ("shakes",),
        ("rapid rattling of", "a busy flutter of"),
        (4, "rustle"),
        (7000, 9000),
        Look(0.583, lobes=8, bulge=0.3),
        pulse_hz=12.0,
        decay_s=0.03,
    ),
    Verb(
        11,
        ("move", "slide"),
        ("moves", "slides"),
        ("a gliding whine of", "a long slide of"),
        (9, "slide object"),
        (450, 650),
        Look(0.75, lobes=2, bulge=0.5),
        sweep=(0.2, 1.2),
    ),
    Verb(
        1,
        ("put", "place"),
        ("puts", "places"),
        ("single heavy thuds of", "a dull bump of"),
        None,
        (1000, 1700),
        Look(0.917, lobes=5, bulge=0.35),
        pulse_hz=1.1,
        decay_s=0.12,
    ),
)
NOUNS = (
    Noun(
        5,
        ("pan", "saucepan"),
        ("hollow metal", "a clanging metal pan"),
        (0, "metal-only collision"),
        (300, 360),
        (1, 1.47, 2.09, 2.56, 3.9),
        0.05,
        (200, 4000),
        0.0,
    ),
    Noun(
        10,
        ("glass",),
        ("bright high glass", "a thin clear glass"),
        (20, "glass-only collision"),
        (1800, 2200),
        (1, 2.3, 3.1),
        0.05,
        (2000, 9000),
        0.5,
    ),
    Noun(
        15,
        ("bottle", "flask"),
        ("warm round plastic", "a humming plastic bottle"),
        (6, "plastic-only collision"),
        (720, 860),
        (1, 2),
        0.05,
        (500, 3000),
        0.333,
    ),
    Noun(
        23,
        ("box", "crate"),
        ("deep dark wood", "a low wooden box"),
        (21, "wood-only collision"),
        (80, 105),
        (1, 2, 3, 4, 5),
        0.1,
        (60, 500),
        0.167,
    ),
    Noun(
        19,
        ("bag",),
        ("crisp hissing paper", "a crackling paper bag"),
        (18, "paper-only collision"),
        (3000, 3600),
        (1,),
        0.7,
        (4000, 10_000),
        0.667,
    ),
    Noun(
        17,
        ("cloth", "towel"),
        ("muffled soft fabric", "a woolly cloth"),
        (36, "cloth-only collision"),
        (160, 200),
        (1,),
        0.7,
        (150, 1200),
        0.833,
    ),
)
COUNTER = (42, "top")  # class of the noun where a thing is put "on counter"


class Action(NamedTuple):
    """A verb and a noun, by their numbers in VERBS and NOUNS."""

    verb: int
    noun: int

    def sound(self, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Sound:
        """Return (n_samples,) of how it sounds, with a peak of 1."""
        verb, noun = VERBS[self.verb], NOUNS[self.noun]
        body = Timbre(
            noun.pitch_hz, noun.partials, verb.sweep, noise=noun.noise, noise_hz=noun.noise_hz
        )
        sound = synthesise(body, n_samples, sample_rate, rng)
        sound += VERB_SHARE * band_noise(n_samples, sample_rate, verb.noise_hz, rng)
        if verb.pulse_hz:
            seconds = np.arange(n_samples) / sample_rate
            sound *= strokes(seconds, verb.pulse_hz, verb.decay_s, rng)
        peak: float = np.abs(sound).max()
        return sound / peak

    @property
    def looks(self) -> tuple[Look, Look]:
        """How it looks: the shapes of noun and verb, of twelve colours a twelfth apart."""
        return Look(NOUNS[self.noun].hue), VERBS[self.verb].look

    @property
    def sound_class(self) -> tuple[int, str]:
        """Number and name of its class in EPIC-SOUNDS."""
        return VERBS[self.verb].sound_class or NOUNS[self.noun].collision


ACTIONS = tuple(Action(verb, noun) for verb in range(len(VERBS)) for noun in range(len(NOUNS)))
SOUND_CLASSES = dict(sorted({action.sound_class for action in ACTIONS}))  # names by number
