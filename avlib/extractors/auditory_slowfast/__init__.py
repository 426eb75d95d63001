"""Auditory SlowFast (Kazakos et al., ICASSP 2021): features of audio, and their training."""
