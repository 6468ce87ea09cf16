"""The outside world of intensities: one file per vendor, each a :class:`~airflow_carbon.sources.base.CarbonSource`."""
