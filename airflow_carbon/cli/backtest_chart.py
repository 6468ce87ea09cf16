"""A backtest as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.backtest_report import reduction_in_words
from airflow_carbon.core.moment import in_words
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from airflow_carbon.cli.backtest_report import Report

FORMATS = (".png", ".svg", ".pdf")
# Colours that are told apart without red and green (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/).
_OURS, _ORACLE, _BACKFIRED, _INK = "#0072B2", "#B8C4CC", "#D55E00", "#333333"


def check_drawable(file: str) -> None:
    """Refuse a picture that could not be drawn into a file.

    :raises InvalidRequestError: if its name ends in no format of pictures, matplotlib is absent, or its folder cannot
        be written.
    """
    path = Path(file).expanduser()
    if path.suffix.lower() not in FORMATS:
        raise InvalidRequestError(f"--chart: {path.name} must end in {', '.join(FORMATS)}")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise InvalidRequestError(
            "--chart: matplotlib is not installed; run pip install 'airflow-provider-carbon[charts]'"
        ) from None
    if not path.parent.is_dir():
        raise InvalidRequestError(f"--chart: {path} cannot be written: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidRequestError(f"--chart: {path} cannot be written: choose a file that you may write")


def draw(report: Report, file: str) -> None:
    """Draw the reduction by period, and what calibration found, into a file.

    :raises InvalidRequestError: if it cannot be written after all.
    """
    path = Path(file).expanduser()
    try:
        picture(report).savefig(path)
    except OSError as error:
        raise InvalidRequestError(f"--chart: {path} cannot be written: {error.strerror or error}") from error


def picture(report: Report) -> Figure:
    """Draw the panels."""
    from matplotlib.figure import Figure

    panels = 2 if report.calibration is None else 3
    figure = Figure(figsize=(9.0, 2.0 + 2.3 * panels), dpi=150, layout="constrained")
    axes = figure.subplots(panels, 1, height_ratios=[1.6, 1.0, 1.3][:panels])
    total = report.total
    figure.suptitle(
        f"{report.title}\n{_headline(total.reduction_percent)}; {total.oracle_reduction_percent:.1f} % less had the "
        f"future been known\nknown to each job: {report.knowing}",
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
    return figure


def _headline(reduction_percent: float | None) -> str:
    if reduction_percent is None:
        return "more emission than running at once, which emitted nothing"
    word = "less" if reduction_percent >= 0.0 else "more"
    return f"{abs(reduction_percent):.1f} % {word} emission than running at once"


def _reductions(axes: Any, report: Report) -> None:
    name, periods = report.periods
    places = range(len(periods))
    oracle = [one.oracle_reduction_percent for _, one in periods]
    axes.bar(places, oracle, width=0.8, color=_ORACLE, label="oracle")
    axes.bar(places, [one.reduction_percent or 0.0 for _, one in periods], width=0.5, color=_OURS, label="policy")
    for place, (_, one) in zip(places, periods, strict=True):
        if one.reduction_percent is None:
            axes.annotate(reduction_in_words(one), (place, 0.0), xytext=(0, 4), textcoords="offset points",
                          ha="center", color=_BACKFIRED, fontsize=8)  # fmt: skip
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
    ours = [(least, one.reduction_percent) for least, one in rows if one.reduction_percent is not None]
    axes.plot([least for least, _ in ours], [reduction for _, reduction in ours], color=_OURS, marker="o", markersize=4)
    told = [(least, one.emitted_more_percent) for least, one in rows if one.emitted_more_percent is not None]
    axes.plot([least for least, _ in told], [share for _, share in told], color=_BACKFIRED, marker="s", markersize=4)
    axes.axhline(limit, color=_BACKFIRED, linewidth=0.8, linestyle=":")
    if ours:
        axes.annotate("reduction", ours[0], xytext=(6, 6), textcoords="offset points", color=_OURS, fontsize=9)
    if told:
        axes.annotate("shifted jobs that emitted more", told[0], xytext=(6, 6), textcoords="offset points",
                      color=_BACKFIRED, fontsize=9)  # fmt: skip
    if found is not None:
        axes.axvline(found, color=_INK, linewidth=0.8, linestyle="--")
        told_by = f"{found:g} % keeps it to {limit:g} %\n({report.knowing})"
        axes.annotate(told_by, (found, 0.5), xycoords=("data", "axes fraction"),
                      xytext=(5, 0), textcoords="offset points", fontsize=9, color=_INK)  # fmt: skip
    axes.set_title("Calibration: what the least promised saving changes", loc="left", fontsize=10, color=_INK)
    axes.set_xlabel("min_saving_percent [%]")
    axes.set_ylabel("[%]")
    shown = [reduction for _, reduction in ours] + [share for _, share in told]
    axes.set_ylim(min(0.0, *(1.25 * one for one in shown), 0.0), 1.25 * max(5.0, *shown, 5.0))
    axes.axhline(0.0, color=_INK, linewidth=0.8)
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
