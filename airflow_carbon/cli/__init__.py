"""The ``airflow carbon`` command group, and ``airflow-carbon`` without Airflow."""
