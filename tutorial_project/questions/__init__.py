"""What the tutorial knows of errors and questions: one store, read by verdicts, `explain` and the site."""
