"""One finance task a file: its examples and its scorer, used for the training mix and for evaluation."""
