"""Labels of new files by a study that is trained: events with onset and offset."""
