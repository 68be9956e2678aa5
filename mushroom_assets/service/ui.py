"""What the running UI says of itself, asked by its GraphQL API."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from mushroom_assets.service.children import Child


def ask_ui(host: str, port: int, query: str, *, timeout_s: float = 10) -> dict[str, Any]:
    """The data that the UI's GraphQL API answers with.

    Raises:
        OSError: no answer, or none but an error.
        ValueError: the answer is not GraphQL's.
    """
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/graphql"  # noqa: S104 - not bound here
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - http, our own server
        data = json.load(answer).get("data")
    if not isinstance(data, dict):
        raise ValueError(f"{address} answered without data")
    return data


def ui_fault(host: str, port: int) -> str | None:
    """What keeps the UI from working, None where nothing does: its database, or a daemon without a
    heartbeat.
    """
    query = "{runsOrError(limit: 1) {__typename} instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"
    try:
        data = ask_ui(host, port, query)
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        answer = data["runsOrError"]["__typename"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the UI on port {port} does not answer: {error}"
    if answer != "Runs":
        return "the UI cannot read its database"
    silent = [
        daemon["daemonType"] for daemon in daemons if daemon["required"] and not daemon["healthy"]
    ]
    return f"no heartbeat of the daemon: {', '.join(silent)}" if silent else None


def wait_for_ui(host: str, port: int, children: Sequence[Child], *, timeout_s: float = 180) -> bool:
    """Whether the UI answers, with the code location loaded, within `timeout_s`; children that end
    are restarted.
    """
    query = "{workspaceOrError {... on Workspace {locationEntries {loadStatus}}}}"
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for child in children:
            child.watch()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not up yet
            entries = ask_ui(host, port, query)["workspaceOrError"]["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                return True
        time.sleep(0.5)
    return False
