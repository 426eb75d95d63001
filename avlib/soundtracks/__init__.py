"""Kinetics-600 soundtracks: a ResNet on audio images, and its fusion with visual scores."""
