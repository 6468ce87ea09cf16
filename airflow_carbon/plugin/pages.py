"""The HTML pages: a navigation page, a DAG's tab and a task instance's tab; what they show comes from the data API."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Request
from fastapi.responses import HTMLResponse

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.plugin.books import Books
from airflow_carbon.plugin.guard import page_policy
from airflow_carbon.plugin.static_files import FOLDER, Files

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Id = Annotated[str, Path(max_length=250)]


@router.get("/")
def index(request: Request, after: BackgroundTasks) -> HTMLResponse:
    """Give the page in the navigation; while the browser reads it, the ledger is read and the chart library packed."""
    files: Files = request.app.state.files
    after.add_task(_read_ahead, request.app.state.books)
    after.add_task(files.file, files.plotly)
    return _page(request, "index.html", "./")


@router.get("/dag/{dag_id}")
def dag(request: Request, dag_id: Id) -> HTMLResponse:
    """Give a DAG's tab."""
    return _page(request, "dag.html", "../")


@router.get("/task/{dag_id}/{run_id}/{task_id}/{map_index}")
def task(request: Request, dag_id: Id, run_id: Id, task_id: Id, map_index: Id) -> HTMLResponse:
    """Give a task instance's tab; Airflow leaves ``{MAP_INDEX}`` as it is where a task is not mapped."""
    return _page(request, "task.html", "../../../../")


def _page(request: Request, name: str, base: str) -> HTMLResponse:
    files: Files = request.app.state.files
    nonce = secrets.token_urlsafe(16)
    text = _template(name)
    for word, value in (("base", base), ("static", files.own), ("plotly", files.plotly), ("nonce", nonce)):
        text = text.replace(f"{{{{{word}}}}}", value)
    return HTMLResponse(text, headers={"content-security-policy": page_policy(nonce)})


@cache
def _template(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _read_ahead(books: Books) -> None:
    try:
        books.snapshot()
        books.waits()
    except LedgerError:
        # The page says so itself.
        return
