"""Listeners of Airflow's; none is registered unless it is asked for."""
