"""Operators: tasks that choose where to run."""
