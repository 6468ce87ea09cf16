from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.backtests import BEGINS, HOUR, refused_with, said_by, twelve_days

from airflow_carbon.cli.backtest_chart import picture
from airflow_carbon.cli.backtest_report import Report
from airflow_carbon.cli.main import main
from airflow_carbon.cli.past import Past
from airflow_carbon.core.backtest import Backtest, Job, Outcome
from airflow_carbon.core.backtest_summary import EVIDENCE, calibrate_min_saving
from airflow_carbon.core.forecast import Forecast


@pytest.fixture
def days(tmp_path: Path) -> Path:
    return twelve_days(tmp_path)


def test_a_chart_is_a_picture(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    chart = tmp_path / "chart.png"
    said = said_by(capsys, "--csv", str(days), "--duration", "1h", "--calibrate", "--chart", str(chart))
    assert said.endswith(f"chart: {chart}\n")
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_a_document_names_the_chart(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    chart, asked = tmp_path / "chart.svg", ("--csv", str(days), "--duration", "1h", "--json")
    assert json.loads(said_by(capsys, *asked, "--chart", str(chart)))["chart"] == str(chart)
    assert chart.read_text().startswith("<?xml")
    assert json.loads(said_by(capsys, *asked))["chart"] is None


def test_a_chart_that_cannot_be_drawn_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The file of the series is not there: that would be said if it were looked for first.
    asked = ("--csv", str(tmp_path / "none.csv"), "--duration", "1h", "--chart")
    assert "must end in .png, .svg, .pdf" in refused_with(capsys, *asked, "chart.jpeg2")
    pytest.importorskip("matplotlib")
    assert "cannot be written: there is no folder" in refused_with(capsys, *asked, str(tmp_path / "x" / "chart.png"))
    (tmp_path / "folder.png").mkdir()
    assert "choose a file that you may write" in refused_with(capsys, *asked, str(tmp_path / "folder.png"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'airflow-provider-carbon[charts]'" in refused_with(capsys, *asked, str(tmp_path / "chart.png"))


def test_what_was_found_is_printed_even_if_the_chart_fails_at_last(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here: nothing that can be opened and not written")
    chart = days.with_name("chart.png")
    chart.symlink_to(full)
    assert main(["backtest", "--csv", str(days), "--duration", "1h", "--chart", str(chart)]) == 2
    said = capsys.readouterr()
    assert "reduction" in said.out
    assert "chart:" not in said.out
    assert "cannot be written: No space left on device" in said.err


# -- the panels ------------------------------------------------------------------------------------------------------


def shown(outcomes: list[Outcome], foresight: str = "perfect foresight", *, calibrated: bool = False) -> Report:
    result = Backtest(tuple(outcomes), 0, foresight)
    history = Forecast("DE", BEGINS, HOUR, [1.0, 2.0])
    return Report(
        Past(({"DE": history},), (), "any"), "runs", HOUR, 10.0, result,
        calibrate_min_saving(lambda _: result, tried=(0.0, 10.0)) if calibrated else None, (),
    )  # fmt: skip


def outcome(emitted: float, baseline: float, oracle: float, *, day: int = 0) -> Outcome:
    ready = BEGINS + day * 24 * HOUR
    job = Job(ready, HOUR, ready + 24 * HOUR)
    return Outcome(job, "DE", ready, ready + HOUR, 1, True, emitted, baseline, oracle, 10.0)


def test_the_bars_are_the_reductions_of_the_policy_and_of_the_oracle() -> None:
    pytest.importorskip("matplotlib")
    reductions, backfired = picture(shown([outcome(80, 100, 50), outcome(130, 100, 90, day=7)])).axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in reductions.containers}
    assert heights == {"oracle": pytest.approx([50.0, 10.0]), "policy": pytest.approx([20.0, -30.0])}
    assert [bar.get_height() for bar in backfired.containers[0]] == [0.0, 100.0]


@pytest.mark.parametrize(
    ("emitted", "told"),
    [(80.0, "20.0 % less emission than running at once"), (105.9, "5.9 % more emission than running at once")],
)
def test_the_headline_says_more_where_more_was_emitted(emitted: float, told: str) -> None:
    pytest.importorskip("matplotlib")
    figure = picture(shown([outcome(emitted, 100, 50)]))
    assert f"DE\n{told}; 50.0 % less had the future been known" in figure.get_suptitle()


def test_more_against_nothing_is_written_where_a_bar_cannot_show_it() -> None:
    pytest.importorskip("matplotlib")
    figure = picture(shown([outcome(10, 0, 0)], calibrated=True))
    assert "more emission than running at once, which emitted nothing" in figure.get_suptitle()
    assert "more, against none" in [text.get_text() for text in figure.axes[0].texts]


def test_a_stitched_series_is_labelled_beside_the_headline_and_the_calibration() -> None:
    pytest.importorskip("matplotlib")
    label = "stitched day-ahead forecasts (when each was issued is not known)"
    figure = picture(shown([outcome(50, 100, 50)] * EVIDENCE, label, calibrated=True))
    assert figure.get_suptitle().endswith("known to each job: stitched day-ahead forecasts")
    assert any("(stitched day-ahead forecasts)" in text.get_text() for text in figure.axes[2].texts)


def test_a_calibration_shows_what_got_worse() -> None:
    pytest.importorskip("matplotlib")
    *_, calibrated = picture(shown([outcome(140, 100, 50)], calibrated=True)).axes
    assert calibrated.get_ylim() == pytest.approx((-50.0, 125.0))
    assert calibrated.lines[0].get_ydata().tolist() == pytest.approx([-40.0, -40.0])


def test_without_a_chart_matplotlib_is_not_imported(days: Path) -> None:
    code = (
        "import sys; from airflow_carbon.cli.main import main;"
        f"main(['backtest', '--csv', {str(days)!r}, '--duration', '1h', '--json']);"
        "assert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
