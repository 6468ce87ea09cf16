"""The arguments that several commands take."""

from __future__ import annotations

from airflow_carbon.cli.commands.declared import argument

WHERE = (
    "azure:swedencentral (a cloud region), zone:DE (a grid zone) or 51.5,-0.12 (latitude,longitude; where the first is "
    "negative, point:-33.9,18.4)"
)
LOCATION = argument("location", metavar="LOCATION", help=f"where the work runs: {WHERE}")
DURATION = argument("--duration", metavar="DURATION", help="how long the run takes: 90m, 1h30m, 2d")
POWER = argument(
    "--power",
    metavar="PHASES",
    help="what the run draws as it goes on: '10m@50W, 2h@300W, 15m@80W'; tells the duration too",
)
MIN_SAVING = argument(
    "--min-saving",
    type=float,
    default=10.0,
    metavar="PERCENT",
    help="waiting must promise at least this reduction of intensity (default: 10)",
)
DEADLINE = argument(
    "--deadline",
    metavar="WHEN",
    help="latest finish: a moment with its timezone (2026-11-22T18:00+00:00), or a duration from now (8h)",
)
CONN_ID = argument(
    "--conn-id",
    action="append",
    metavar="ID",
    help="Airflow connection to ask; repeat it for a chain, the preferred one first. Without it: carbon_default under "
    "'airflow carbon' where that is defined, else the typical profiles, which are no forecast",
)
CSV = argument("--csv", metavar="FILE", help="plan on a file of your own: a CSV with the header timestamp,intensity")
REPLAY = argument("--replay", action="store_true", help="take the file of --csv as if it began now")
NOW = argument("--now", metavar="MOMENT", help="look from this moment instead of the clock's, with its timezone")
JSON = argument("--json", action="store_true", help="print one JSON document and nothing else")
LEDGER = argument("--ledger-conn-id", metavar="ID", help="connection of the ledger (default: [carbon] ledger_conn_id)")
DAG = argument("--dag", metavar="DAG_ID", help="of this DAG alone")
SINCE = argument("--since", metavar="WHEN", help="from here on: 30d (back from now), 2026-11-01, or a moment")
UNTIL = argument("--until", metavar="WHEN", help="and up to here")
URL = argument("--url", metavar="URL", help="of the api-server: http://localhost:8080")
USER = argument(
    "--user",
    metavar="NAME",
    help="to log in as, with the password in the environment variable AIRFLOW_CARBON_PASSWORD; or put a token into "
    "AIRFLOW_CARBON_TOKEN",
)
