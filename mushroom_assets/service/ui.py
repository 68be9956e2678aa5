"""What the running UI says of itself, asked by its GraphQL API.

Nothing is started or stopped here.
"""

import contextlib
import http.client
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from mushroom_assets.service.children import Child, reachable

HEALTH = """{
  runsOrError(limit: 1) {__typename}
  instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}
}"""
# No server, one that speaks no HTTP, or one that is not Dagster's
NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
LOCATIONS = "{workspaceOrError {... on Workspace {locationEntries {loadStatus}}}}"


def ask_ui(host: str, port: int, query: str, *, timeout_s: float = 10) -> dict[str, Any]:
    """The data that the UI's GraphQL API answers with.

    Raises:
        OSError: no answer, or none but an error.
        http.client.HTTPException: the answer is not HTTP, or the host is no name.
        ValueError: the answer is not GraphQL's.
    """
    address = f"http://{reachable(host)}:{port}/graphql"
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - our server
        told = json.load(answer)
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, dict):
        raise ValueError(f"{address} answered without data")
    return data


def ui_fault(host: str, port: int) -> str | None:
    """What keeps the UI from working and what to do, None where nothing does.

    That is: it does not answer, it cannot read its database, or a daemon has no heartbeat.
    """
    try:
        data = ask_ui(host, port, HEALTH)
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        answer = data["runsOrError"]["__typename"]
    except NO_ANSWER as error:
        remedy = "start it with `mushroom up`, or say where it is by --host and --port"
        reason = " ".join(str(error).split())
        return f"the UI on port {port} does not answer: {reason}. Remedy: {remedy}"
    if answer != "Runs":
        return "the UI cannot read its database. Remedy: mend what `mushroom doctor` says of it"
    silent = [
        daemon["daemonType"] for daemon in daemons if daemon["required"] and not daemon["healthy"]
    ]
    if not silent:
        return None
    remedy = "see in the log of `mushroom up` why it does not run, or start `dagster-daemon run`"
    return f"no heartbeat of the daemon: {', '.join(silent)}. Remedy: {remedy}"


def wait_for_ui(host: str, port: int, children: Sequence[Child], *, timeout_s: float = 180) -> bool:
    """Whether the UI answers within `timeout_s`, with the code location loaded.

    Children that end meanwhile are started again.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for child in children:
            child.watch()
        with contextlib.suppress(*NO_ANSWER):  # not up yet
            entries = ask_ui(host, port, LOCATIONS)["workspaceOrError"]["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                return True
        time.sleep(0.5)
    return False
