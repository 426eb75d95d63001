"""Kinetics-600 soundtracks: a ResNet on audio images, fused with the scores of the pictures."""
