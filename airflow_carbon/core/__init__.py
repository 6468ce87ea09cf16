"""The one forecast-optimization core: numpy and the standard library, no I/O, no clock, no Airflow."""
