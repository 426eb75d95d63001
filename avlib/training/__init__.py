"""Training: loops, schedules, checkpoints, seeds."""
