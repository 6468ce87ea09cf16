from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_carbon.cli.main import main
from airflow_carbon.sources.regions import all_regions

NOW = ["--now", "2026-11-22T00:00Z"]


def said_by(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert main(["regions", *argv]) == status
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["regions", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_the_cleanest_region_stands_first(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "gcp:europe-west3", "azure:swedencentral", "--duration", "1h", *NOW).splitlines()
    assert said[0] == "a run of 1 h, asked at Sun 22 Nov 2026 00:00 UTC"
    assert said[3].split()[:2] == ["region", "zone"]
    assert [line.split()[:4] for line in said[4:6]] == [
        ["1", "azure:swedencentral", "SE", "SE"],
        ["2", "gcp:europe-west3", "DE", "DE"],
    ]


def test_great_britain_is_ranked_beside_others_by_numbers_of_one_sort(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(said_by(capsys, "azure:uksouth", "zone:FR", "--duration", "1h", "--json"))
    assert said["best"] == "zone:FR"
    assert {one["kind"] for one in said["ranking"]} == {"annual average"}
    assert len({one["accounting"] for one in said["ranking"]}) == 1


def test_an_assumed_pue_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "azure:swedencentral", "zone:SE", "--duration", "1h", *NOW)
    sweden, zone = said.splitlines()[4:6]
    assert "*" not in sweden
    assert "1.20  *" in zone
    assert "* assumed, as none is published" in said


def test_a_region_outside_the_allowed_countries_is_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:SE", "zone:DE", "--duration", "1h", "--allowed-countries", "de,FR", *NOW)
    assert "1  zone:DE" in said
    assert said.splitlines()[-2:] == ["rejected", "  zone:SE: country SE is not allowed (allowed: DE, FR)"]


def test_where_none_is_left_the_status_tells(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["zone:SE", "--duration", "1h", "--allowed-countries", "DE"]
    assert "no region is left" in said_by(capsys, *argv, status=1)
    said = json.loads(said_by(capsys, *argv, "--json", status=1))
    assert said["best"] is None
    assert said["ranking"][0]["rejected"] == "country SE is not allowed (allowed: DE)"


def test_all_regions_of_a_provider_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(said_by(capsys, "--all", "azure", "--duration", "1h", "--json"))
    own = {str(region) for region in all_regions() if region.provider == "azure"}
    assert {one["region"] for one in said["ranking"]} == own
    effective = [one["effective_g_per_kwh"] for one in said["ranking"] if one["rank"]]
    assert effective == sorted(effective)


def test_with_a_deadline_each_region_has_its_own_start(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:SE", "--duration", "1h", "--deadline", "8h", *NOW)
    assert "to end by Sun 22 Nov 2026 08:00 UTC" in said
    assert "start UTC" in said
    assert "An annual average has no daily shape" in said
    assert "start UTC" not in said_by(capsys, "zone:SE", "--duration", "1h", *NOW)


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["azure:swedencentrl"], "did you mean azure:swedencentral"),
        (["zone:SE", "zone:SE"], "zone:SE is named twice"),
        ([], "name at least one"),
        (["--all", "azur"], "it has aws, azure, gcp; did you mean 'azure'?"),
        (["zone:SE", "--deadline", "10m"], "--deadline: a run of 1 h from now cannot end by"),
    ],
)
def test_bad_input_is_refused_in_one_line(argv: list[str], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault in refused(capsys, *argv, "--duration", "1h")


def test_the_document_keeps_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(said_by(capsys, "zone:SE", "--duration", "1h", "--deadline", "8h", *NOW, "--json"))
    assert list(said) == ["now", "duration_seconds", "deadline", "best", "ranking"]
    assert said["deadline"] == "2026-11-22T08:00:00+00:00"
    assert {"rank", "region", "intensity_g_per_kwh", "pue", "pue_assumed", "rejected"} <= said["ranking"][0].keys()


@pytest.fixture
def prices(tmp_path: Path) -> str:
    lines = [
        "region,sku,purchase,per_hour,currency,eviction_rate_per_hour",
        "azure:swedencentral,D2,dedicated,0.12,EUR,",
        "azure:swedencentral,D2,spot,0.03,EUR,0.05",
        "azure:eastus,D2,dedicated,0.096,EUR,",
    ]
    (tmp_path / "prices.csv").write_text("\n".join(lines))
    return str(tmp_path / "prices.csv")


PLACES = ["azure:swedencentral", "azure:eastus", "azure:uksouth"]


def test_with_prices_spot_and_dedicated_machines_are_ranked_by_the_whole_run(
    capsys: pytest.CaptureFixture[str], prices: str
) -> None:
    priced = ["--prices", prices, "--sku", "D2", "--currency", "EUR"]
    said = said_by(capsys, *PLACES, "--power", "1h@50W, 3h@300W", *priced, *NOW)
    assert said.startswith("a run of 4 h")
    header, first, second, third, _, _, *rejected = said.splitlines()[3:]
    assert [word for word in ("bought", "g in all", "EUR in all") if word not in header] == []
    assert first.split()[:5] == ["1", "azure:swedencentral", "SE", "SE", "dedicated"]
    assert (second.split()[4], third.split()[4]) == ("spot", "dedicated")
    assert [line.partition(":")[2].partition(":")[0] for line in rejected] == [
        "eastus (spot)", "uksouth (dedicated)", "uksouth (spot)",
    ]  # fmt: skip
    worth = said_by(capsys, *PLACES, "--power", "4h@300W", *priced, "--tradeoff", "carbon_price_per_tonne=80", "--json")
    best = json.loads(worth)["ranking"][0]
    assert (best["region"], best["purchase"], best["currency"]) == ("azure:swedencentral", "spot", "EUR")
    cheap = said_by(capsys, *PLACES, "--duration", "4h", *priced, "--max-extra-cost", "0", "--purchase", "dedicated")
    assert "1  azure:eastus" in cheap
    assert "azure:swedencentral (dedicated): it costs 0.48, 25.0 % more than the cheapest (0.384)" in cheap


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "--duration: say how long the run takes"),
        (["--duration", "1h", "--prices", "azure_retial", "--sku", "D2"], "--prices: 'azure_retial' names no prices"),
        (["--duration", "1h", "--prices", "azure_retail"], "--sku: prices are those of a machine"),
        (
            ["--duration", "1h", "--tradeoff", "price=80"],
            "--tradeoff: {'price': '80'} is none; write one of carbon_price_per_tonne",
        ),
        (["--duration", "1h", "--exclude", "azure:swedncentral"], "did you mean azure:swedencentral"),
        (["--duration", "1h", "--queue-wait", "azure:uksuoth=1h"], "did you mean azure:uksouth"),
        (["--power", "1h@5V"], "phase 1: '1h@5V' is none"),
    ],
)
def test_a_slip_in_what_it_may_cost_is_named(capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    assert said in refused(capsys, *PLACES, *argv)
