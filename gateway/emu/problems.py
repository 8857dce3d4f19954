"""Everything that goes wrong on `/emu/v1` is a problem document (RFC 9457) that is safe to show and to keep."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from gateway.core.errors import ApiError, excerpt
from gateway.core.request_rows import masked_path
from iso.errors import CardrailsError
from node.control_client import ControlError

MEDIA_TYPE = "application/problem+json"
_METHOD = 405
_SHOWN = frozenset({400, 404, 409, 413, 422})
"""What a node says about a call is passed on; its other refusals are the gateway's own trouble."""

log = structlog.get_logger("gateway")


class Flaw(BaseModel):
    """One thing that is wrong with a request: where, as `body.amount`, and the rule that it breaks."""

    where: str
    problem: str


class ProblemDocument(BaseModel):
    """A refusal, RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such node"}]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="One sentence for people.")
    errors: list[Flaw] | None = Field(default=None, description="Of a request that breaks rules: each of them.")


class Problem(Exception):
    """A request is answered with a problem."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of refusals with these statuses."""
    shown = {
        status: {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": _EXAMPLES[status],
        }
        for status in statuses
    }
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}, "example": example}},
        }
        for status, example in shown.items()
    }


_EXAMPLES = {
    401: "the operator's key is needed: Authorization: Bearer KEY",
    404: "no such node: nobody",
    409: "the clock is at version 3 already",
    413: "a body has at most 65536 bytes",
    415: "a body is JSON: Content-Type: application/json",
    422: "query.limit: Input should be greater than or equal to 1",
    502: "switch: the control port refused the gateway",
    503: "switch: its control port does not answer (ConnectError)",
}


def answer_problem(
    status: int, detail: str, headers: dict[str, str] | None = None, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """Return a problem as a response; card numbers in `detail` are masked."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": _plain(detail)}
    return JSONResponse(body if errors is None else {**body, "errors": errors}, status, headers, MEDIA_TYPE)


def _plain(text: str, most: int = 1_000) -> str:
    """Return the beginning of a text, masked; half a character, which JSON has and UTF-8 has not, by its number."""
    return excerpt(text, most).encode("utf-8", "backslashreplace").decode()


def guard(app: FastAPI) -> None:
    """Let an application answer whatever goes wrong with a problem."""

    @app.exception_handler(Problem)
    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return answer_problem(error.status, error.detail, error.headers)

    @app.exception_handler(ApiError)
    async def disliked(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return answer_problem(422 if error.status == 400 else error.status, error.message)

    @app.exception_handler(ControlError)
    async def elsewhere(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ControlError)
        status = 503 if error.status in (0, 503) else error.status if error.status in _SHOWN else 502
        return answer_problem(status, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        flaws = [_flaw(flaw) for flaw in error.errors()[:20]]
        return answer_problem(422, f"{flaws[0]['where']}: {flaws[0]['problem']}", errors=flaws)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == _METHOD:
            # The router knows one method of an address at a time; all of them may be tried.
            allowed = _methods_of(app, request)
            return answer_problem(_METHOD, f"this address takes {allowed}", {"Allow": allowed})
        # FastAPI says 400 of a body that is not even text; every other flaw of a body is 422.
        status = 422 if error.status_code == 400 else error.status_code
        return answer_problem(status, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(CardrailsError)
    async def unable(_request: Request, error: Exception) -> JSONResponse:
        return answer_problem(503, str(error))


def _methods_of(app: FastAPI, request: Request) -> str:
    """Return the methods that a request's address takes, as the description of the API has them."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).split("/")
    described = app.openapi()["paths"]
    found = {
        method.upper() for template, item in described.items() if _fits(template.split("/"), path) for method in item
    }
    return ", ".join(sorted(found)) or "GET"


def _fits(template: list[str], path: list[str]) -> bool:
    return len(template) == len(path) and all(
        part == given or part.startswith("{") for part, given in zip(template, path, strict=True)
    )


class GuardedRoute(APIRoute):
    """A route whose defects are answered with a problem, too, and logged without their text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request."""
        serve = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await serve(request)
            except (HTTPException, RequestValidationError, CardrailsError, Problem):
                raise
            except Exception as error:
                # The text of a foreign exception could carry what we must not show.
                log.exception("request failed", path=masked_path(request.url.path), error=type(error).__name__)
            return answer_problem(500, "a defect of the gateway; its log says more")

        return guarded


def _flaw(flaw: Any) -> dict[str, str]:
    where = ".".join(str(part) for part in flaw["loc"])
    return {"where": _plain(where, 200), "problem": _plain(str(flaw["msg"]), 500)}
