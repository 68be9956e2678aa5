"""A connection that gives up on a server which stays connected and never answers.

A stopped process, a hung disk or a proxy that lost its other side look like that: the machine's
keepalives are answered all the same, and the server's own `statement_timeout` never comes. How long
is patient is the business of `connection`.
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:  # `mushroom health` has no time for it
    import sqlalchemy as sa


class Answering(psycopg.Connection[Any]):
    """A connection whose every wait for the server ends after `patience_s`; None: never."""

    patience_s: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """What the server answers.

        Raises:
            psycopg.OperationalError: it was silent for too long; the connection is closed.
        """
        if self.patience_s is None:
            return super().wait(gen, *args, **kwargs)
        return super().wait(self._impatient(gen, self.patience_s), *args, **kwargs)

    def _impatient(
        self, gen: Generator[Any, Any, Any], patience_s: float
    ) -> Generator[Any, Any, Any]:
        """The same generator, ended by silence; the driver looks in ten times a second."""
        deadline = time.monotonic() + patience_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.close()
                    raise psycopg.OperationalError(
                        f"the server is silent: no answer in {patience_s:g} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def be_patient(connection: "sa.Connection", patience_s: float | None = None) -> None:
    """From now on wait for the server so long; None: as long as a statement of hours takes."""
    driver: Any = connection.connection.dbapi_connection
    driver.patience_s = patience_s
