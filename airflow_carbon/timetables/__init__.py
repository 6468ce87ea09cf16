"""Schedules whose runs wait for clean power."""
