"""Operations of TIM for recognition; importing this registers them."""

from avlib.verify.tim import facts, networks, scores, training, windows

__all__ = ["facts", "networks", "scores", "training", "windows"]
