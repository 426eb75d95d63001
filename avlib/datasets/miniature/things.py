"""How each class of the miniatures sounds and looks. The names are classes of AVE."""

from avlib.datasets.miniature.picture import Look
from avlib.datasets.miniature.sound import Timbre

THINGS: dict[str, tuple[Timbre, Look]] = {
    "Church bell": (
        Timbre((300, 500), (0.5, 1, 1.2, 1.5, 2, 2.7), pulse_hz=1.2, decay_s=0.5),
        Look(0.00),
    ),
    "Bark": (
        Timbre((350, 600), (1, 2, 3), noise=0.5, noise_hz=(300, 2500), pulse_hz=3, decay_s=0.06),
        Look(0.42, lobes=3, bulge=0.3),
    ),
    "Helicopter": (
        Timbre((60, 90), noise=0.9, noise_hz=(60, 900), pulse_hz=13, decay_s=0.03),
        Look(0.83, lobes=2, bulge=0.45),
    ),
    "Violin, fiddle": (
        Timbre((440, 880), (1, 2, 3, 4, 5, 6, 7, 8), sweep=(0.015, 6)),
        Look(0.25, stripes=3),
    ),
    "Flute": (
        Timbre((900, 1400), (1, 2), sweep=(0.005, 5), noise=0.15, noise_hz=(2000, 8000)),
        Look(0.67, lobes=4, bulge=0.25),
    ),
    "Truck": (
        Timbre((45, 75), (1, 2, 3, 4, 5, 6, 7, 8), noise=0.3, noise_hz=(50, 600)),
        Look(0.08, lobes=5, bulge=0.35, stripes=4),
    ),
    "Train horn": (
        Timbre((300, 360), (1, 1.19, 1.49, 2, 2.38, 2.98)),
        Look(0.50, hole=0.5),
    ),
    "Frying (food)": (
        Timbre((1000, 2000), noise=1.0, noise_hz=(4000, 10000)),
        Look(0.92, lobes=8, bulge=0.2),
    ),
    "Clock": (
        Timbre((2500, 3500), noise=0.5, noise_hz=(3000, 9000), pulse_hz=4, decay_s=0.02),
        Look(0.33, hole=0.4, stripes=5),
    ),
    "Baby cry, infant cry": (
        Timbre((380, 520), (1, 2, 3, 4), sweep=(0.25, 1.2)),
        Look(0.75, lobes=6, bulge=0.3, stripes=2),
    ),
    "Chainsaw": (
        Timbre((90, 140), (1, 2, 3, 4, 5, 6), (0.1, 0.7), noise=0.4, noise_hz=(1000, 6000)),
        Look(0.17, lobes=12, bulge=0.15),
    ),
    "Toilet flush": (
        Timbre((200, 300), noise=1.0, noise_hz=(200, 2000)),
        Look(0.58, lobes=2, bulge=0.3, hole=0.4),
    ),
}
