"""The short way from a path to its adapter gives the same answers as the framework's."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request, Response

from gateway.api.direct import Direct
from gateway.api.routes import ENDPOINTS
from tests.support.gateway import step


def served(method: str, path: str) -> str:
    """Return which route serves a request, with its ids; "framework" if the table does not know it."""
    came: list[str] = []

    def adapter(name: str) -> Any:
        async def serve(request: Request) -> Response:
            came.append(" ".join([name, *request.path_params.values()]))
            return Response()

        return serve

    async def framework(scope: Any, receive: Any, send: Any) -> None:
        came.append("framework")

    async def send(message: Any) -> None:
        """Take the answer."""

    adapters = {(one.method, one.path): adapter(f"{one.method} {one.path}") for one in ENDPOINTS}
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    step(Direct(framework, adapters)(scope, send, send))
    (answered,) = came
    return answered


class TestTable:
    """A path with no id, or with one behind its collection, is looked up; everything else is the framework's."""

    @pytest.mark.parametrize(
        ("method", "path", "route"),
        [
            ("POST", "/v1/payment_intents", "POST /v1/payment_intents"),
            ("GET", "/v1/payment_intents/search", "GET /v1/payment_intents/search"),
            ("GET", "/v1/payment_intents/pi_1", "GET /v1/payment_intents/{id} pi_1"),
            ("POST", "/v1/payment_intents/pi_1/confirm", "POST /v1/payment_intents/{id}/confirm pi_1"),
            ("GET", "/v1/payment_intents/{id}", "GET /v1/payment_intents/{id} {id}"),
        ],
    )
    def test_what_it_knows_is_served_with_its_id(self, method: str, path: str, route: str) -> None:
        assert served(method, path) == route

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/v1/payment_intents"),
            ("GET", "/v1/payment_intents/"),
            ("GET", "/v1/payment_intents//confirm"),
            ("GET", "/v1/payment_intents/pi_1/"),
            ("GET", "/v1/charges/ch_1/refunds/re_1"),
            ("GET", "/v1"),
            ("GET", ""),
            ("GET", "/v2/payment_intents"),
        ],
    )
    def test_what_it_does_not_know_goes_on(self, method: str, path: str) -> None:
        assert served(method, path) == "framework"
