"""What any training shares: the loop, its state, its processes, schedules, recipes."""
