"""What every metrics file shares: accuracies, class names, the file itself."""
