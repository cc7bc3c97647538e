"""Where things are, from the root of the tutorial."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "lessons"
"""The sources: one folder a lesson."""
NOTEBOOKS = ROOT / "notebooks"
"""The built lessons."""
EXERCISES = ROOT / "exercises"
"""The built exercises, which the learner fills in."""
SOLUTIONS = ROOT / "solutions"
"""The built exercises, solved."""
