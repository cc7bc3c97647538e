"""Mutants: the shipped solutions, each with one small change of its syntax tree."""
