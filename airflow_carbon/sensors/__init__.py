"""Sensors: tasks that wait for clean power."""
