"""Scenes of several audible and visible things, and the classes of LLP that the miniature has."""

from avlib.datasets.miniature.picture import Look, draw_scene
from avlib.datasets.miniature.sound import Timbre
from avlib.datasets.miniature.things import THINGS
from avlib.datasets.miniature.video import mix_sounds

__all__ = ["LLP_THINGS", "draw_scene", "mix_sounds"]

# Class of LLP -> the nearest thing. The first six are a sixth of the colour wheel apart, and no
# two of the first eight sound alike.
_NEAREST = {
    "Telephone_bell_ringing": "Church bell",
    "Basketball_bounce": "Clock",
    "Singing": "Flute",
    "Chainsaw": "Chainsaw",
    "Fire_alarm": "Train horn",
    "Helicopter": "Helicopter",
    "Dog": "Bark",
    "Frying_(food)": "Frying (food)",
    "Violin_fiddle": "Violin, fiddle",
    "Baby_cry_infant_cry": "Baby cry, infant cry",
    "Car": "Truck",
    "Vacuum_cleaner": "Toilet flush",
}
LLP_THINGS: dict[str, tuple[Timbre, Look]] = {
    name: THINGS[thing] for name, thing in _NEAREST.items()
}
