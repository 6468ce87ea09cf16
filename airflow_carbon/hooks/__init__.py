"""From an Airflow connection to a source of intensities."""
