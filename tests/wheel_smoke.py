"""What an installed wheel must hold; to be run by the Python of an environment that has the wheel."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import jsonschema

import airflow_carbon


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def main() -> None:
    here = Path(airflow_carbon.__file__).parent
    repository = Path(__file__).resolve().parent.parent
    assert repository not in here.parents, f"not the wheel but the repository: {here}"
    assert (here / "py.typed").is_file(), "py.typed is not in the wheel"
    assert metadata.version("airflow-provider-carbon") == airflow_carbon.__version__
    print("version", airflow_carbon.__version__)

    inside = {file.name for file in (here / "example_dags").glob("*.py")}
    beside = {file.name for file in (repository / "example_dags").glob("*.py")}
    assert inside >= beside > set(), f"example DAGs missing in the wheel: {beside - inside}"
    data = {file.name for file in (here / "sources" / "data").iterdir() if file.is_file()}
    assert data, "the tables of the sources are not in the wheel"
    print("example DAGs", *sorted(inside))
    print("tables", *sorted(data))

    (entry,) = metadata.entry_points(group="apache_airflow_provider", name="provider_info").select(
        value="airflow_carbon.provider_info:get_provider_info"
    )
    info = entry.load()()
    schema = json.loads(resources.files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(info, schema)
    print("provider info is valid")

    programs = Path(sys.executable).parent
    run(str(programs / "airflow-carbon"), "window", "--help")
    window = json.loads(
        run(str(programs / "airflow-carbon"), "window", "zone:GB", "--duration", "1h", "--deadline", "12h", "--json")
    )
    assert window, "the console script printed no window"
    print("airflow-carbon plans a window")

    providers = json.loads(run(str(programs / "airflow"), "providers", "list", "--output", "json"))
    assert "airflow-provider-carbon" in {provider["package_name"] for provider in providers}
    run(str(programs / "airflow"), "carbon", "window", "--help")
    print("airflow knows the provider and its commands")


if __name__ == "__main__":
    main()
