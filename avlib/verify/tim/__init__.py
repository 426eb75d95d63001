"""Operations of TIM for recognition; importing this registers them."""

from avlib.verify.tim import facts, networks, records, scores, training, windows

__all__ = ["facts", "networks", "records", "scores", "training", "windows"]
