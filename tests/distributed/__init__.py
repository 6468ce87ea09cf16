"""Airflow's distributed engine for tests: its parts, what breaks them, and what must hold whatever is broken."""
