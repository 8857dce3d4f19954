"""Routes of a running switch at its control port: shown, explained, and replaced as a whole."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from node.settings import first_problem
from switch.config import SwitchConfig
from switch.core.machine import SwitchMachine
from switch.core.route_explain import explain
from switch.route_settings import RoutingSettings, question_of

_BODY = "routes"


class RouteControl:
    """What the control port may do with a switch's routes; see `node.controlled.Routing`.

    Called between two turns of the node, so that no message sees a half of each table.
    """

    def __init__(self, config: SwitchConfig, machine: SwitchMachine) -> None:
        self.config = config
        self.machine = machine
        self.version = 1
        """Counts the tables since the start."""

    def view(self) -> dict[str, Any]:
        """Return the table in force, in the order in which it is tried, and the groups."""
        book = self.machine.book
        links = {link: book.is_up(link) for link in sorted(book.issuers)}
        return {"version": self.version, **book.routes.view(), "links": links}

    def explain(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Explain where a request would go now.

        Raises
        ------
        ConfigError
            `asked` is no `RouteQuestion`.
        """
        question = question_of(asked, "question")
        book = self.machine.book

        def takes(link: str) -> bool:
            return book.is_up(link) and not book.breakers.is_open(link)

        return explain(book.routes, question.pan, question.message(), question.member, takes).view()

    def reload(self, body: bytes) -> dict[str, Any]:
        """Put another table in force; legs in flight keep their links.

        Parameters
        ----------
        body
            JSON of `RoutingSettings`.

        Raises
        ------
        CardrailsError
            What is wrong with it, and where; the table in force stays.
        """
        try:
            routing = RoutingSettings.model_validate_json(body)
        except ValidationError as error:
            problem = first_problem(error, _BODY)
        else:
            table = self.config.route_table(routing)
            self.machine.reroute(table)
            self.version += 1
            return {"version": self.version, "routes": len(table.routes)}
        raise problem
