"""VGG-19: maps of the frames of a second, as published with AVE."""
