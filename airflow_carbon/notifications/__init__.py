"""Notifiers: tell a channel what becomes of a wait."""
