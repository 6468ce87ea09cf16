"""A backtest as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import in_words
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.cli.backtest_report import Report

FORMATS = (".png", ".svg", ".pdf")
# Colours that are told apart without red and green (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/).
_OURS, _ORACLE, _BACKFIRED, _INK = "#0072B2", "#B8C4CC", "#D55E00", "#333333"


def draw(report: Report, file: str) -> None:
    """Draw the reduction by period, and what calibration found, into a file.

    :raises InvalidRequestError: if its name ends in no format of pictures, matplotlib is absent, or it cannot be
        written.
    """
    path = Path(file).expanduser()
    if path.suffix.lower() not in FORMATS:
        raise InvalidRequestError(f"--chart: {path.name} must end in {', '.join(FORMATS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidRequestError(
            "--chart: matplotlib is not installed; run pip install 'airflow-provider-carbon[charts]'"
        ) from None
    panels = 2 if report.calibration is None else 3
    figure = Figure(figsize=(9.0, 2.0 + 2.3 * panels), dpi=150, layout="constrained")
    axes = figure.subplots(panels, 1, height_ratios=[1.6, 1.0, 1.3][:panels])
    total = report.total
    figure.suptitle(
        f"{report.title}\n{total.reduction_percent:.1f} % less emission than running at once; "
        f"{total.oracle_reduction_percent:.1f} % had the future been known",
        x=0.01, ha="left", fontsize=11, color=_INK,
    )  # fmt: skip
    _reductions(axes[0], report)
    _backfired(axes[1], report)
    if report.calibration is not None:
        _calibrated(axes[2], report)
    figure.supxlabel(
        f"{report.what}, at most {in_words(report.max_delay)} later, for {report.min_saving_percent:g} % or more\n"
        f"known to each job: {report.result.foresight}",
        x=0.01, ha="left", fontsize=8, color="#666666",
    )  # fmt: skip
    try:
        figure.savefig(path)
    except OSError as error:
        raise InvalidRequestError(f"--chart: {path} cannot be written: {error.strerror or error}") from error


def _reductions(axes: Any, report: Report) -> None:
    name, periods = report.periods
    places = range(len(periods))
    oracle = [one.oracle_reduction_percent for _, one in periods]
    axes.bar(places, oracle, width=0.8, color=_ORACLE, label="oracle")
    axes.bar(places, [one.reduction_percent for _, one in periods], width=0.5, color=_OURS, label="policy")
    axes.set_title(f"Reduction against running at once, by {name}", loc="left", fontsize=10, color=_INK)
    axes.set_ylabel("reduction [%]")
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1)
    axes.axhline(0.0, color=_INK, linewidth=0.8)
    _plain(axes, [period for period, _ in periods])


def _backfired(axes: Any, report: Report) -> None:
    _, periods = report.periods
    shares = [one.emitted_more_percent or 0.0 for _, one in periods]
    axes.bar(range(len(periods)), shares, width=0.5, color=_BACKFIRED)
    none = "" if any(shares) else ": none"
    axes.set_title(f"Shifted jobs that emitted more than at once{none}", loc="left", fontsize=10, color=_INK)
    axes.set_ylabel("share [%]")
    axes.set_ylim(0.0, max(5.0, *(1.1 * share for share in shares)))
    _plain(axes, [period for period, _ in periods])


def _calibrated(axes: Any, report: Report) -> None:
    assert report.calibration is not None
    rows, found, limit = (
        report.calibration.rows,
        report.calibration.min_saving_percent,
        report.calibration.limit_percent,
    )
    asked = [least for least, _ in rows]
    axes.plot(asked, [one.reduction_percent for _, one in rows], color=_OURS, marker="o", markersize=4)
    told = [(least, one.emitted_more_percent) for least, one in rows if one.emitted_more_percent is not None]
    axes.plot([least for least, _ in told], [share for _, share in told], color=_BACKFIRED, marker="s", markersize=4)
    axes.axhline(limit, color=_BACKFIRED, linewidth=0.8, linestyle=":")
    axes.annotate("reduction", (asked[0], rows[0][1].reduction_percent), xytext=(6, 6), textcoords="offset points",
                  color=_OURS, fontsize=9)  # fmt: skip
    if told:
        axes.annotate("shifted jobs that emitted more", told[0], xytext=(6, 6), textcoords="offset points",
                      color=_BACKFIRED, fontsize=9)  # fmt: skip
    if found is not None:
        axes.axvline(found, color=_INK, linewidth=0.8, linestyle="--")
        axes.annotate(f"{found:g} % keeps it to {limit:g} %", (found, 0.5), xycoords=("data", "axes fraction"),
                      xytext=(5, 0), textcoords="offset points", fontsize=9, color=_INK)  # fmt: skip
    axes.set_title("Calibration: what the least promised saving changes", loc="left", fontsize=10, color=_INK)
    axes.set_xlabel("min_saving_percent [%]")
    axes.set_ylabel("[%]")
    axes.set_ylim(0.0, 1.25 * max(5.0, *(one.reduction_percent for _, one in rows), *(share for _, share in told)))
    _spare(axes)


def _plain(axes: Any, names: list[str]) -> None:
    axes.set_xlim(-0.7, len(names) - 0.3)
    every = -(-len(names) // 14)
    axes.set_xticks(range(0, len(names), every), names[::every], fontsize=8)
    _spare(axes)


def _spare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
