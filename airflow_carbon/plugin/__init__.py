"""The pages and the API in Airflow's own web server, under ``/carbon``.

Pages, all behind Airflow's login (``{base}`` is where they are mounted):

    GET  /                                                    index.html
    GET  /dag/{dag_id}                                        dag.html
    GET  /task/{dag_id}/{run_id}/{task_id}/{map_index}        task.html; the map index of an unmapped task is -1, and
                                                              Airflow's unfilled "{MAP_INDEX}" is taken for that
    GET  /static/{version}/{path}                             files of ``static/``, kept for ever by the browser
    GET  /static/plotly-{version}/plotly.min.js               from the installed ``plotly`` package

The HTML files of ``static/`` are templates of four words, filled when served; nothing else in them is touched:

    {{base}}     the way up to the mount: ``./``, ``../`` or ``../../../../``; write ``<base href="{{base}}">`` first in
                 the head, and every other URL relative to the mount: ``api/overview``, ``dag/my_dag``
    {{static}}   ``static/<version>``: write ``{{static}}/carbon.js``
    {{plotly}}   ``static/plotly-<version>/plotly.min.js``
    {{nonce}}    for a ``<style nonce="{{nonce}}">``; no inline script runs

Data, all JSON (``models.py`` says what each answer holds), behind the same login; moments are ISO 8601 in UTC:

    GET  /api/overview                                        Overview
    GET  /api/waiting?offset=&limit=                          Waiting; the overview holds the next 100 of them
    GET  /api/regions?location=&location=                     Regions (at most 50; none takes the default list)
    GET  /api/forecast?location=&hours=                       LocationForecast (1 to 168 hours, 48 by default)
    GET  /api/sources                                         Sources
    GET  /api/dags/{dag_id}?offset=&limit=                    DagPage (limit at most 200, 50 by default)
    GET  /api/dags/{dag_id}/runs/{run_id}/tasks/{task_id}?map_index=   TaskPage
    GET  /api/token                                           Token, for the header of POST; needs the request header
                                                              ``X-Carbon-Page: 1`` and is answered to the cookie
    POST /api/release                                         Released; body ReleaseRequest; takes
                                                              ``Authorization: Bearer <token>`` only, never the cookie
    GET  /openapi.json                                        the description of all of it, and of the WebApi below

Every answer but a file has ``hints``: what is missing, and what to do next. An error is ``{"detail": "..."}`` with its
status: 401 not logged in, 403 not allowed, 404 unknown, 413 too large, 422 a parameter is wrong, 503 the ledger or a
source does not answer.

``webapi/`` holds the routes of the Carbon Aware SDK's WebApi.
"""
