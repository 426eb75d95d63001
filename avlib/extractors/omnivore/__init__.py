"""Omnivore (Girdhar et al., CVPR 2022): features of video clips, and their training."""
