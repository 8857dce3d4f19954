"""`cardrails conform`: plays a suite against a host, ours or a foreign one, and explains every difference."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from emulator.cli.inputs import dialect_of_file
from emulator.conform.ends import Place
from emulator.conform.macs import Algorithm, KeyProtector, read_key
from emulator.conform.report import case_lines, is_good, junit_xml, run_json, summary_line
from emulator.conform.runner import CaseResult, Run
from emulator.conform.suite import SUITE_NAMES, Role, Suite, read_suite
from hsm_sim.client import TcpClient
from hsm_sim.core.indexes import zak
from hsm_sim.protect import MAC_METHODS, HsmProtector
from hsm_sim.zones.links import spoken_on
from iso import CardrailsError, ConfigError, dialect
from node.clock import system_entropy, wall_clock
from node.link import Protector
from node.pipes import PipeError, Pipes, split_url

_OTHER: dict[Role, Role] = {"acquirer": "issuer", "issuer": "acquirer"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", metavar="SUITE", help=f"a TOML file, or a shipped suite: {', '.join(SUITE_NAMES)}")
    parser.add_argument("--role", required=True, choices=tuple(_OTHER), help="which side we play")
    _add_end(parser, "", "we", required=True)
    _add_end(parser, "far-", "we, in the other role as well,", required=False)
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the suite")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML")
    parser.add_argument("--list", action="store_true", help="show the cases and what they need; play nothing")
    parser.add_argument("--verbose", action="store_true", help="show the messages of cases that pass, too")
    parser.add_argument("--json", action="store_true")


def _add_end(parser: argparse.ArgumentParser, prefix: str, who: str, *, required: bool) -> None:
    where = parser.add_mutually_exclusive_group(required=required)
    where.add_argument(f"--{prefix}target", metavar="URL", help=f"where {who} dial: tcp://HOST:PORT")
    where.add_argument(f"--{prefix}listen", metavar="URL", help=f"where {who} listen for the host")
    spoken = parser.add_mutually_exclusive_group()
    spoken.add_argument(f"--{prefix}dialect", metavar="NAME", help="what is spoken there (default: ascii87)")
    spoken.add_argument(f"--{prefix}dialect-file", type=Path, metavar="FILE", help="a dialect of your own")
    parser.add_argument(
        f"--{prefix}mac", choices=("dialect", "none", "cmac", "retail"), default="dialect", help="MACs there"
    )
    key = parser.add_mutually_exclusive_group()
    key.add_argument(f"--{prefix}mac-key", type=Path, metavar="FILE", help="its MAC key, a test key, in hexadecimal")
    key.add_argument(f"--{prefix}hsm", metavar="URL", help="a party's port of the HSM that has the MAC key")
    parser.add_argument(
        f"--{prefix}hsm-key", metavar="PLACE", help="where it lies there (default: the key shared with the switch)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the suite; 0 if every case that was played passed, and at least one was."""
    suite = read_suite(arguments.suite).changed(_settings(arguments.set)).only(arguments.case)
    if arguments.list:
        print("\n".join(_listed(suite)))
        return 0
    places: list[Place] = []
    results: list[CaseResult] = anyio.run(partial(_play, arguments, suite, places))
    if arguments.junit is not None:
        _write(arguments.junit, junit_xml(suite, places, results))
    print(json.dumps(run_json(suite, places, results)) if arguments.json else summary_line(results))
    return 0 if is_good(results) else 1


async def _play(arguments: argparse.Namespace, suite: Suite, places: list[Place]) -> list[CaseResult]:
    pipes = Pipes()
    results: list[CaseResult] = []
    problem: CardrailsError | None = None
    async with anyio.create_task_group() as tasks:
        try:
            places += await _places(arguments, pipes, tasks)
            spoken = {place.role: place.dialect for place in places}

            def show(result: CaseResult) -> None:
                if not arguments.json:
                    print("\n".join(case_lines(result, spoken, whole=arguments.verbose)), flush=True)

            # Two runs should not begin with the same number: hosts look for duplicates.
            first = int.from_bytes(system_entropy(4), "big") % 999_999
            results = await Run(suite, places, pipes, wall_clock, first, _tell).play(show)
        except* CardrailsError as errors:
            problem = _first(errors)
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return results


def _first(errors: BaseExceptionGroup[CardrailsError]) -> CardrailsError:
    """Return one of the errors that ended a run; its group only says that tasks were running."""
    for error in errors.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")


async def _places(arguments: argparse.Namespace, pipes: Pipes, tasks: TaskGroup) -> list[Place]:
    role: Role = arguments.role
    places = [await _place(arguments, "", role, pipes, tasks)]
    if arguments.far_target or arguments.far_listen:
        places.append(await _place(arguments, "far_", _OTHER[role], pipes, tasks))
    return places


async def _place(arguments: argparse.Namespace, prefix: str, role: Role, pipes: Pipes, tasks: TaskGroup) -> Place:
    def given(name: str) -> Any:
        return getattr(arguments, prefix + name)

    def option(name: str) -> str:
        return "--" + (prefix + name).replace("_", "-")

    url = _url(given("target") or given("listen"), option("target" if given("target") else "listen"))
    file = given("dialect_file")
    written = dialect_of_file(file) if file is not None else dialect(given("dialect") or "ascii87")
    if written.version not in ("1987", "1993"):
        raise ConfigError("command line", option("dialect"), written.name, "a dialect of 1987 or 1993")
    spoken = spoken_on(written, given("mac"))
    is_retail = given("mac") == "retail"
    protector: Protector | None = None
    if spoken.mac and given("mac_key") is not None:
        algorithm: Algorithm = "retail" if is_retail else "cmac"
        protector = KeyProtector(read_key(given("mac_key"), algorithm, option("mac_key")), algorithm)
    elif spoken.mac and given("hsm") is not None:
        client = TcpClient(pipes, _url(given("hsm"), option("hsm")))
        await tasks.start(client.run)
        key = given("hsm_key") or zak("switch", retail=is_retail)
        method = MAC_METHODS["retail" if is_retail else "cmac"]
        protector = HsmProtector(client, key, algorithm=method.algorithm, padding=method.padding)
    elif spoken.mac:
        rule = f"{spoken.name} has MACs: give the key with {option('mac_key')} or {option('hsm')}, or --mac none"
        raise ConfigError("command line", option("mac_key"), "(absent)", rule)
    return Place(role, url, given("listen") is not None, spoken, protector)


def _url(text: str, option: str) -> str:
    url = text if "://" in text else f"tcp://{text}"
    try:
        split_url(url)
    except (PipeError, ValueError):
        problem = ConfigError("command line", option, text, "tcp://HOST:PORT")
    else:
        return url
    raise problem


def _settings(texts: list[str]) -> dict[str, str]:
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError("command line", "--set", text, "NAME=VALUE")
        settings[name] = value
    return settings


def _listed(suite: Suite) -> list[str]:
    lines = [f"{suite.name}: {suite.about}".rstrip(": ")]
    for case in suite.cases:
        lines.append(f"  {case.name}: {case.about}")
        lines.append(f"    played as {' and '.join(sorted(case.roles))}")
        if case.needs:
            lines.append(f"    the host needs: {case.needs}")
    return lines


def _tell(text: str) -> None:
    print(f"please: {text}", file=sys.stderr, flush=True)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        problem = ConfigError("command line", "--junit", str(file), f"a file to write: {error.strerror}")
    else:
        return
    raise problem
