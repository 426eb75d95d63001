"""Tags and search without training: scores of every second, words to classes, found events."""
