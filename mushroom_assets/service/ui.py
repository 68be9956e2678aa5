"""What the running UI says of itself, asked by its GraphQL API.

Nothing is started or stopped here, and nothing imported that takes time: `mushroom health` asks.
"""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

DAEMON_LIMIT_S = 180.0  # six beats of 30 s; Dagster itself would wait for half an hour
NEVER_BEAT = ("the daemon has not yet given a heartbeat", "ask again in a minute")
SILENT = f"no heartbeat of the daemon for {DAEMON_LIMIT_S / 60:.0f} minutes: {{}}"
SEE_DAEMON = (
    "see in the log of `mushroom up`, which starts it again, why it does not run; "
    "without `mushroom up` start `dagster-daemon run`"
)
HEALTH = """{
  runsOrError(limit: 1) {__typename}
  instance {daemonHealth {allDaemonStatuses {daemonType required lastHeartbeatTime}}}
  workspaceOrError {... on Workspace {
    locationEntries {loadStatus locationOrLoadError {
      ... on PythonError {className message errorChain {error {className message}}}
    }}
  }}
}"""
# No server, one that speaks no HTTP, or one that is not Dagster's
NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
BY_DAGSTER = (400, 500)  # of HTTP: a query that it does not know, a fault of its own
LOCATIONS = "{workspaceOrError {... on Workspace {locationEntries {loadStatus}}}}"


class Watchable(Protocol):
    """What is started again when it ended, each time it is asked."""

    def watch(self) -> None:
        """Start it again if it ended."""


@dataclass(frozen=True)
class Door:
    """Where the UI listens, and how it is shown.

    Attributes:
        host: address that it listens on.
        port: its port.
        path_prefix: of a proxy before it, `/farm`, or nothing.
        read_only: nobody can launch or change anything by it.
    """

    host: str
    port: int
    path_prefix: str = ""
    read_only: bool = False

    @property
    def url(self) -> str:
        """Of its start page, as it listens."""
        return f"http://{self.host}:{self.port}{self.path_prefix}"

    @property
    def link(self) -> str:
        """Of its start page, as this machine reaches it."""
        return f"http://{reachable(self.host)}:{self.port}{self.path_prefix}"


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - not bound here


def ask_ui(
    host: str, port: int, query: str, *, timeout_s: float = 10, prefix: str = ""
) -> dict[str, Any]:
    """The data that the UI's GraphQL API answers with.

    Raises:
        OSError: no answer, or none but an error.
        http.client.HTTPException: the answer is not HTTP, or the host is no name.
        ValueError: the answer is not GraphQL's.
    """
    address = f"http://{reachable(host)}:{port}{prefix}/graphql"
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - our server
        told = json.load(answer)
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, dict):
        raise ValueError(f"{address} answered without data")
    return data


def ui_serves(host: str, port: int, *, timeout_s: float = 10, prefix: str = "") -> bool:
    """Whether the webserver answers at all; for whoever restarts it."""
    return answers(f"http://{reachable(host)}:{port}{prefix}/server_info", timeout_s=timeout_s)


def answers(address: str, *, timeout_s: float = 10) -> bool:
    """Whether a server of ours answers at all, be it an error."""
    try:
        with urllib.request.urlopen(address, timeout=timeout_s):  # noqa: S310 - our server
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, http.client.HTTPException):
        return False


def ui_fault(host: str, port: int, *, timeout_s: float = 10, prefix: str = "") -> str | None:
    """What keeps the UI from working and what to do, None where nothing does.

    That is: it does not answer, it cannot read its database, a daemon has no heartbeat of the last
    three minutes, or the definitions do not load.
    """
    try:
        data = ask_ui(host, port, HEALTH, timeout_s=timeout_s, prefix=prefix)
        answer = data["runsOrError"]["__typename"]
        silent = _silent(data["instance"]["daemonHealth"]["allDaemonStatuses"])
        unloaded = _unloaded(data["workspaceOrError"]["locationEntries"])
    except NO_ANSWER as error:
        where = "say where it is by --host, --port and --path-prefix"
        reason = " ".join(str(error).split())
        if isinstance(error, urllib.error.HTTPError) and error.code not in BY_DAGSTER:
            told = f"what answers on port {port} is not the farm's UI: {reason}"
            return f"{told}. Remedy: {where}"
        remedy = f"start it with `mushroom up`, or {where}"
        return f"the UI on port {port} does not answer: {reason}. Remedy: {remedy}"
    if answer != "Runs":
        return "the UI cannot read its database. Remedy: mend what `mushroom doctor` says of it"
    return silent or unloaded


def _silent(daemons: Sequence[dict[str, Any]]) -> str | None:
    # By the time of the last beat: `healthy` is true for half an hour after it
    youngest = time.time() - DAEMON_LIMIT_S
    silent = [
        daemon["daemonType"]
        for daemon in daemons
        if daemon["required"] and (daemon["lastHeartbeatTime"] or 0) < youngest
    ]
    if not silent:
        return None
    if not any(daemon["lastHeartbeatTime"] for daemon in daemons):
        return ". Remedy: ".join(NEVER_BEAT)
    return f"{SILENT.format(', '.join(silent))}. Remedy: {SEE_DAEMON}"


def _unloaded(locations: Sequence[dict[str, Any]]) -> str | None:
    for location in locations:
        if location["loadStatus"] != "LOADED":
            return "the definitions are still being loaded. Remedy: ask again in a minute"
        error = location["locationOrLoadError"] or {}
        if "message" in error:
            told = " ".join(_cause(error).split())[:500]
            remedy = "mend the cause, then reload the definitions: see Deployment in the UI"
            return f"the definitions do not load: {told} Remedy: {remedy}"
    return None


def _cause(error: dict[str, Any]) -> str:
    """The last of the errors, from which the others came; of the farm file ours, which names it."""
    chain = [error, *(link["error"] for link in error.get("errorChain") or [])]
    ours = [link for link in chain if link.get("className") == "FarmFileError"]
    return str([*chain, *ours][-1]["message"])


def wait_for_ui(
    host: str,
    port: int,
    children: Sequence[Watchable],
    *,
    timeout_s: float = 180,
    prefix: str = "",
) -> bool:
    """Whether the UI answers within `timeout_s`, with the code location loaded.

    Children that end meanwhile are started again.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for child in children:
            child.watch()
        with contextlib.suppress(*NO_ANSWER):  # not up yet
            told = ask_ui(host, port, LOCATIONS, prefix=prefix)
            entries = told["workspaceOrError"]["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                return True
        time.sleep(0.5)
    return False
