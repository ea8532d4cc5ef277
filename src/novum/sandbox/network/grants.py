"""Which network hosts a call was granted, and which addresses nobody reaches by a name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from novum.core.errors import UsageError

DEFAULT_PORT: Final = 443

LOCALHOST: Final = "localhost"

_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^\[\]:]+):([1-9][0-9]{0,4})")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What C libraries take for a number in an address: 127.1, 0x7f.1, 0177.0.0.1, 2130706433.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Reserved by IANA, and not in the tables of every Python that we run on.
_NOT_PUBLIC: Final = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"), ip_network("3fff::/20"))
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_UNICAST: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Grant:
    """A host that a call may reach, on one port.

    Example:
        >>> parse_grant("*.example.org").covers("data.example.org", 443)
        True
        >>> parse_grant("*.example.org").covers("example.org", 443)
        False
    """

    host: str
    """In the form of `normalise_host`; of a wildcard, what follows ``*.``."""
    port: int = DEFAULT_PORT
    wildcard: bool = False
    """Covers every name below `host`, at any depth, and not `host` itself."""

    @property
    def literal(self) -> bool:
        """Whether it names an address, or this machine, and so one that is not public may be meant."""
        return self.host == LOCALHOST or _find_address(self.host) is not None

    def covers(self, host: str, port: int) -> bool:
        """Whether `host`, in the form of `normalise_host`, may be reached on `port`."""
        if port != self.port:
            return False
        if self.wildcard:
            return host.endswith(f".{self.host}")
        return host == self.host

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'*.' if self.wildcard else ''}{host}:{self.port}"


def check_grants(hosts: Sequence[str]) -> tuple[Grant, ...]:
    """Return what `hosts` grant, each once, in their order.

    Raises:
        UsageError: one of them is malformed; see `parse_grant`.
    """
    if isinstance(hosts, str):
        raise UsageError(f"the granted hosts are one text, {hosts!r}; expected a list of hosts")
    return tuple(dict.fromkeys(parse_grant(host) for host in hosts))


def parse_grant(text: str) -> Grant:
    """Return the grant that `text` writes: ``name``, ``name:port``, ``*.domain`` or ``*.domain:port``.

    Without a port it is 443. A name may be an IPv4 address, an IPv6 address in brackets, or
    ``localhost``. International names may be written in their own script; `Grant.host` shows what
    they are compared as. A wildcard needs a domain of two labels or more.

    Raises:
        UsageError: it is none of these.

    Example:
        >>> str(parse_grant("Bücher.example"))
        'xn--bcher-kva.example:443'
        >>> str(parse_grant("[::1]:8080"))
        '[::1]:8080'
    """
    if not isinstance(text, str) or not text:
        raise _malformed(text, "it names no host")
    if "://" in text or "/" in text:
        raise _malformed(text, "it is a URL; write the host only")
    if "@" in text:
        raise _malformed(text, "it holds a user name")
    wildcard = text.startswith("*.")
    rest = text.removeprefix("*.")
    if "*" in rest:
        raise _malformed(text, "a star may only stand at the front, before a dot")
    if not rest.startswith("[") and rest.count(":") > 1:
        raise _malformed(text, "an IPv6 address is written in brackets")
    has_port = ":" in rest.rpartition("]")[2]
    try:
        host, port = parse_authority(rest if has_port else f"{rest}:{DEFAULT_PORT}")
    except ValueError as error:
        raise _malformed(text, str(error)) from error
    grant = Grant(host, port, wildcard=wildcard)
    if wildcard and (grant.literal or "." not in host):
        raise _malformed(text, "a star needs a domain of at least two names behind it, as in '*.example.org'")
    return grant


def parse_authority(text: str) -> tuple[str, int]:
    """Return the host, in the form of `normalise_host`, and the port of ``host:port``.

    Raises:
        ValueError: it is not that: a port that is missing or not within 1 and 65535, an IPv6 address
            without brackets or with a zone, a user name, or a host that is none.

    Example:
        >>> parse_authority("Example.ORG.:443")
        ('example.org', 443)
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise ValueError("expected a host, a colon and a port")
    host, port = found[1], int(found[2])
    if port > 65535:
        raise ValueError(f"port {port} is not within 1 and 65535")
    if host.startswith("["):
        address = _find_address(host[1:-1])
        if not isinstance(address, IPv6Address):
            raise ValueError(f"{host} is not an IPv6 address")
        return str(address), port
    return normalise_host(host), port


def normalise_host(text: str) -> str:
    """Return a name or address in the one form in which it is compared.

    Names become lower-case A-labels (IDNA 2008 with UTS 46 mapping) without the trailing dot;
    addresses their shortest text. A look-alike from another script is another name.

    Raises:
        ValueError: it is neither; also a number that some resolvers take for an IPv4 address, such as
            ``127.1`` or ``0x7f000001``.

    References:
        RFC 5891 (IDNA 2008), Unicode Technical Standard 46, RFC 1123 section 2.1.
    """
    address = _find_address(text)
    if address is not None:
        return str(address)
    name = (text if text.isascii() else _to_ascii(text)).lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text[:80]!r} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{text[:80]!r} ends in a number and is not an IPv4 address")
    return name


def why_not_public(address: IPv4Address | IPv6Address) -> str | None:
    """Return why `address` does not belong to the public internet, or None.

    What is not public is the machine itself, its neighbours, or an address with another one inside.
    An IPv6 address that a NAT64 gateway translates is judged by the IPv4 address in it.

    References:
        IANA IPv4 and IPv6 special-purpose address registries (RFC 6890); RFC 6052.

    Example:
        >>> why_not_public(ip_address("169.254.169.254"))
        'link-local'
        >>> why_not_public(ip_address("64:ff9b::7f00:1"))
        'loopback'
    """
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return why_not_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return "IPv4-mapped"
        if address.sixtofour is not None or address.teredo is not None:
            return "a tunnel to an IPv4 address"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if (
        address.is_private
        or address.is_reserved
        or not address.is_global
        or any(address in network for network in _NOT_PUBLIC)
        or (isinstance(address, IPv6Address) and address not in _UNICAST)
    ):
        return "private or reserved"
    return None


def _find_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _to_ascii(text: str) -> str:
    import idna

    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"{text[:80]!r} is not a host name: {error}") from error


def _malformed(text: object, why: str) -> UsageError:
    return UsageError(
        f"the granted host {str(text)[:80]!r} is malformed: {why}; expected 'name', 'name:port', "
        "'*.domain', an address, or 'localhost:port'"
    )
