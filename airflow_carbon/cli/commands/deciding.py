"""When and where to run, looked up now or replayed over the past."""

from __future__ import annotations

from airflow_carbon.cli.commands.arguments import (
    CONN_ID,
    CSV,
    DEADLINE,
    DURATION,
    JSON,
    LOCATION,
    MIN_SAVING,
    NOW,
    POWER,
    REPLAY,
    WHERE,
)
from airflow_carbon.cli.commands.declared import Command, argument

DECIDING: tuple[Command, ...] = (
    Command(
        "window",
        "When to run",
        "Tell when a run is cleanest, and whether waiting for it is worth it: what a CarbonAwareSensor would decide.",
        (
            LOCATION,
            DURATION,
            POWER,
            DEADLINE,
            argument("--max-delay", metavar="DURATION", help="latest start, from now (24h where no deadline is given)"),
            argument("--earliest-start", metavar="WHEN", help="no start before it: a moment, or a duration from now"),
            MIN_SAVING,
            CSV,
            REPLAY,
            CONN_ID,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.window.run",
    ),
    Command(
        "regions",
        "Where to run",
        "Rank regions by intensity x PUE; with a deadline, by the cleanest time of each; with prices, spot and "
        "dedicated machines by what the whole run emits and costs.",
        (
            argument("regions", nargs="*", metavar="REGION", help=f"candidates, each {WHERE}"),
            argument("--all", metavar="PROVIDER", help="rank every region of azure, aws or gcp"),
            DURATION,
            POWER,
            DEADLINE,
            argument("--allowed-countries", metavar="CODES", help="where the data may go: SE,DE (ISO 3166)"),
            argument("--exclude", metavar="REGIONS", help="regions that must not be chosen, commas between them"),
            argument("--prices", metavar="WHAT", help="azure_retail, or the path of a CSV; needs --sku"),
            argument("--sku", metavar="NAME", help="the machine, in its cloud's exact spelling: Standard_D2s_v3"),
            argument("--purchase", metavar="HOW", help="spot or dedicated (default: both)"),
            argument("--currency", default="USD", metavar="CODE", help="of the prices (default: USD)"),
            argument("--eviction-rate", metavar="PER_HOUR", help="of spot machines, where the prices do not tell"),
            argument("--checkpoint-interval", metavar="DURATION", help="work between two checkpoints on spot"),
            argument(
                "--tradeoff",
                metavar="WORD=NUMBER",
                help="carbon_price_per_tonne=80, max_extra_cost_percent=5, cost_percent_per_carbon_percent=0.5 or "
                "emission_weight=0.5 (default: least carbon)",
            ),
            argument("--max-extra-cost", metavar="PERCENT", help="a limit over the cheapest, with any tradeoff"),
            argument("--queue-wait", metavar="REGION=WAIT", help="expected wait for a machine: azure:uksouth=20m, ..."),
            argument("--data-gb", metavar="GB", help="data to move from --data-region; needs --power"),
            argument("--data-region", metavar="REGION", help="where the data lie"),
            CONN_ID,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.regions.run",
    ),
    Command(
        "forecast",
        "What is to come",
        "Show the carbon intensity of the next hours, and what kind of number it is.",
        (
            LOCATION,
            argument("--hours", type=float, default=24.0, metavar="N", help="how far to look (default: 24)"),
            CSV,
            REPLAY,
            CONN_ID,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.forecast.run",
    ),
    Command(
        "intensity",
        "How clean places are",
        "Show the carbon intensity of places, all asked at once: at present, over the past, or over what is to come. "
        "One without an answer is shown with the reason; exits with 1 if none has an answer.",
        (
            argument("locations", nargs="+", metavar="LOCATION", help=f"places, each {WHERE}"),
            argument("--history", metavar="TIME", help="the past: week, month, or a duration (24h, 7d)"),
            argument("--forecast", metavar="DURATION", help="what is to come, over a duration (8h)"),
            argument(
                "--sort",
                action="store_true",
                help="cleanest first, by numbers that compare where the source has them; others are ordered apart",
            ),
            CSV,
            REPLAY,
            CONN_ID,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.intensity.run",
    ),
    Command(
        "backtest",
        "What shifting would have changed",
        "Replay runs over what was measured: what they would have emitted, against running at once and against knowing "
        "the future. The runs are made up (--duration), or the past runs of a DAG (--dag).",
        (
            argument(
                "location", nargs="?", metavar="LOCATION", help=f"home of the work, not needed with --csv: {WHERE}"
            ),
            argument("--duration", metavar="DURATION", help="how long a run takes: 90m, 1h30m, 2d"),
            argument("--max-delay", metavar="DURATION", help="latest start after a run was ready (default: 24h)"),
            MIN_SAVING,
            argument("--every", metavar="DURATION", help="how often a run is ready (default: by the history's length)"),
            argument("--max-chunks", type=int, metavar="N", help="the run may be cut into so many chunks"),
            argument("--min-chunk", metavar="DURATION", help="shortest chunk"),
            argument("--resume-overhead", metavar="DURATION", help="run time that each resume costs"),
            argument(
                "--regions",
                nargs="+",
                metavar="LOCATION",
                help="it may run there too; with --csv, LOCATION and these name columns of the file (zone:DE: DE)",
            ),
            argument("--csv", metavar="FILE", help="replay over a file of your own: a CSV, timestamp,intensity"),
            argument(
                "--forecast-column",
                metavar="NAME",
                help="column of --csv with day-ahead forecasts, stitched together; the result is labelled so",
            ),
            argument("--history", metavar="DURATION", help="how far back to look from now (default: 30d)"),
            CONN_ID,
            argument(
                "--knowing",
                metavar="WHAT",
                help="what a run may know when it is ready: week (the hourly mean of the last 7 days; the default), "
                "yesterday (the same hour) or perfect (what came)",
            ),
            argument(
                "--calibrate",
                action="store_true",
                help="find the --min-saving at which at most 5 %% of the shifted runs emit more than at once",
            ),
            argument("--dag", metavar="DAG_ID", help="replay this DAG's past runs, read through Airflow's REST API"),
            argument("--task", metavar="TASK_ID", help="this task of --dag alone; without it, each run is one job"),
            argument("--url", metavar="URL", help="of the api-server, for --dag: http://localhost:8080"),
            argument(
                "--user",
                metavar="NAME",
                help="to log in as, for --dag, with the password in the environment variable AIRFLOW_CARBON_PASSWORD; "
                "or put a token into AIRFLOW_CARBON_TOKEN",
            ),
            argument("--chart", metavar="FILE", help="draw it into this file too: .png, .svg or .pdf (extra: charts)"),
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.backtest.run",
    ),
)
