"""The Carbon Aware SDK's WebApi, answered from this deployment's own sources.

Its paths, parameters, answers and refusals are the SDK's (v1.8), so that what was written for the SDK works here.
Import it where the web app is built and nowhere else: it brings FastAPI and numpy.
"""

from __future__ import annotations

from airflow_carbon.plugin.webapi.routes import router

__all__ = ["router"]
