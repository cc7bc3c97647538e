"""Seeing what happens: spans, timelines, crossings, queries, warnings."""
