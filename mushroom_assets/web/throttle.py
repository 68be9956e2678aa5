"""How often something may be done: counted by `limits`, by the network that asks."""

import ipaddress
from functools import cache

from fastapi import Request
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

EVERYBODY = "all"
limit = cache(parse)  # `5/minute`, as `limits` reads it


class Throttle:
    """The counts of a server."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def has_room(self, *counted: tuple[RateLimitItem, str, str]) -> bool:
        """Whether another of each is within its limit: what is done, and by whom."""
        return all(self._limiter.test(item, what, who) for item, what, who in counted)

    def count(self, *counted: tuple[RateLimitItem, str, str]) -> bool:
        """One of each has been done; whether all are within their limits."""
        return all([self._limiter.hit(item, what, who) for item, what, who in counted])


def throttle_of(request: Request) -> Throttle:
    """The counts of the server."""
    throttle: Throttle = request.app.state.throttle
    return throttle


def throttled(request: Request, often: str) -> bool:
    """Whether who asks may do once more what this path does."""
    return throttle_of(request).count((limit(often), request.url.path, network(request)))


def network(request: Request) -> str:
    """What one customer of a provider has: an IPv4 address, or the first half of an IPv6 one."""
    given = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(given)
    except ValueError:
        return given
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
