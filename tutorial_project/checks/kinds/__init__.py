"""Answers that are no views, and how each kind is called."""
