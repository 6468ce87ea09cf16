"""What machines cost: one file per place that tells it, each a :class:`~airflow_carbon.prices.base.PriceSource`."""
