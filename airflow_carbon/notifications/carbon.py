"""The notifier that tells a channel when a task starts waiting, starts, or comes near its latest start."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

#: What there is to tell of.
OCCASIONS = ("waiting", "started", "near")
#: Said where the user writes no message.
MESSAGE = "{{ carbon.dag_id }}.{{ carbon.task_id }} {{ carbon.in_words }}: {{ carbon.reason }}"
#: Connections whose address takes a JSON document as it is.
WEBHOOKS = ("http", "https", "slackwebhook")
#: No question to a channel takes longer [s].
PATIENCE_SECONDS = 4.0


class CarbonNotifier(BaseNotifier):
    """Tell a channel of a wait: give it to ``CarbonAwareSensor(notify=...)``.

    ``message`` is a template with ``carbon`` beside what every template has: ``what`` (``waiting``, ``started`` or
    ``near``), ``in_words``, ``dag_id``, ``run_id``, ``task_id``, ``map_index``, ``location``, ``reason``, ``start``,
    ``latest_start``, ``started_at``, ``promised_saving_percent`` and all else that the decision's record holds. A
    wrapped notifier finds the same in its own templates, and the message as ``carbon_message``.

    :param through: any notifier of Airflow, or the id of a connection of type ``http`` or ``slackwebhook``, to whose
        address ``{"text": message, "carbon": {...}}`` is posted.
    :param message: what to say.
    :param on: which occasions to tell of.
    """

    template_fields: Sequence[str] = ("message",)

    def __init__(
        self, through: BaseNotifier | str, *, message: str = MESSAGE, on: Sequence[str] = OCCASIONS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if unknown := sorted(set(on) - set(OCCASIONS)):
            raise InvalidRequestError(f"on: {unknown[0]!r} must be one of {', '.join(OCCASIONS)}")
        self.through = through
        self.message = message
        self.on = tuple(on)

    def notify(self, context: Context) -> None:
        """Say it, if it is an occasion to; a channel that fails is named in the log, and nothing else happens."""
        told: Any = dict(context).get("carbon") or {}
        if told.get("what") and told["what"] not in self.on:
            return
        try:
            if isinstance(self.through, str):
                self._post(self.through, dict(told))
            else:
                self._wrapped(self.through, context)
        except Exception as error:
            # Its kind alone: the words of an error may hold the address, which is the secret of a webhook.
            name = self.through if isinstance(self.through, str) else type(self.through).__name__
            self.log.warning("The channel %s was not told: %s", name, type(error).__name__)

    def _wrapped(self, through: BaseNotifier, context: Context) -> None:
        # A copy: its templates are rendered in place, and once only.
        one, known = copy.copy(through), {**context, "carbon_message": self.message}
        one._update_context(known)  # type: ignore[arg-type]
        one.render_template_fields(known)  # type: ignore[arg-type]
        one.notify(known)  # type: ignore[arg-type]

    def _post(self, conn_id: str, told: dict[str, Any]) -> None:
        import asyncio

        from airflow.sdk import BaseHook

        from airflow_carbon.core.record_fields import plain
        from airflow_carbon.web import http

        connection = BaseHook.get_connection(conn_id)
        if connection.conn_type not in WEBHOOKS:
            raise InvalidRequestError(
                f"through: connection {conn_id!r} has type {connection.conn_type!r}; give one of type "
                f"{' or '.join(WEBHOOKS)}, or a notifier"
            )
        asked, headers = _address(connection)

        async def post() -> None:
            channel = http.Http("the channel", asked, headers=headers, ceiling=PATIENCE_SECONDS)
            try:
                await channel.post("", {"text": self.message, "carbon": plain(told)})
            finally:
                await http.close()

        asyncio.run(post())


def _address(connection: Connection) -> tuple[str, dict[str, str]]:
    """Put a connection's address together; what Airflow's own hooks take for its secret goes where they put it."""
    host, path = connection.host or "", connection.schema or ""
    if connection.conn_type == "slackwebhook":
        token = connection.password or ""
        base = host or "https://hooks.slack.com/services"
        return (token if token.startswith("http") else f"{base.rstrip('/')}/{token.lstrip('/')}"), {}
    scheme = path if path in ("http", "https") else "https" if connection.conn_type == "https" else "http"
    if "://" not in host:
        host = f"{scheme}://{host}"
    if connection.port:
        begin, _, rest = host.partition("://")
        name, slash, tail = rest.partition("/")
        host = f"{begin}://{name}:{connection.port}{slash}{tail}"
    return host, {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
