"""Exercises that check themselves: `check("1.2", answer)`."""

from nodelib.exercises.checker import ExerciseError, check

__all__ = ["ExerciseError", "check"]
