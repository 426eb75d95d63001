"""Auditory SlowFast (Kazakos et al., ICASSP 2021): features of sound, and their training."""
