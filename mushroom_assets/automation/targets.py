"""Whom people want told, and how it reaches them: by whatever apprise knows.

That is webhooks, e-mail and much else: https://github.com/caronc/apprise/wiki. What they are told
is the business of `notification` and `looking`. Target URLs hold secrets: they are never printed.
"""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class NotDelivered(RuntimeError):
    """A target did not take the message: which, why and what to do, without secrets of its URL."""


@dataclass(frozen=True)
class Target:
    """Somebody to tell, by an apprise URL."""

    url: str

    @property
    def key(self) -> str:
        """What stands for it where its URL, which holds secrets, must not."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def cursor(self) -> str:
        """Under which key Dagster's storage keeps how far this target has been told."""
        return f"run_failure_notification/{self.key}"

    @property
    def name(self) -> str:
        """Service and host.

        Apprise masks tokens and passwords; a path, which may be a secret, is left out.
        """
        masked = urlsplit(self._service().url(privacy=True))
        return f"{masked.scheme}://{masked.netloc.rpartition('@')[2]}"

    def deliver(self, title: str, body: str, *, good: bool = False) -> None:
        """Send a message, once, as good news or bad.

        Raises:
            NotDelivered: the URL is of no use, or the service did not take it.
        """
        import apprise  # 0.2 s: only where there is something to tell

        targets = apprise.Apprise()
        targets.add(self._service())
        kind = apprise.NotifyType.SUCCESS if good else apprise.NotifyType.FAILURE
        plain = apprise.NotifyFormat.TEXT
        # Apprise has no types for its log
        caught = apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
        with caught as log:
            if targets.notify(body, title, notify_type=kind, body_format=plain):
                return
            reason = " ".join(log.getvalue().split()).rstrip(".") or "no reason given"
        raise NotDelivered(
            f"{self.name} did not take the message: {reason}. Remedy: check the service and "
            "MUSHROOM_NOTIFY"
        )

    def _service(self) -> Any:
        import apprise

        # It logs whole URLs. What is said of a message is captured; the rest goes nowhere
        apprise.logger.propagate = False
        service = apprise.Apprise.instantiate(self.url)
        if service is None:
            begin = f"{urlsplit(self.url).scheme}://"
            raise NotDelivered(
                f"MUSHROOM_NOTIFY: apprise cannot use the URL that begins with {begin}. Remedy: "
                "write it as https://github.com/caronc/apprise/wiki shows for the service"
            )
        return service
