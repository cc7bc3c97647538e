"""Proofs that several lessons share, by what they look at."""
