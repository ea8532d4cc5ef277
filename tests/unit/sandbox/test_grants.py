"""What a granted host covers, and what it never does."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.core.errors import UsageError
from novum.sandbox.network.grants import (
    check_grants,
    normalise_host,
    parse_authority,
    parse_grant,
    why_not_public,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data.example.org", "data.example.org:443"),
        ("Data.Example.ORG.", "data.example.org:443"),
        ("data.example.org:8443", "data.example.org:8443"),
        ("*.example.org", "*.example.org:443"),
        ("*.Example.org.:80", "*.example.org:80"),
        ("r3---sn-abc.example.org", "r3---sn-abc.example.org:443"),
        ("Bücher.example", "xn--bcher-kva.example:443"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example:443"),
        ("bücher。example", "xn--bcher-kva.example:443"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[0:0:0:0:0:0:0:1]", "[::1]:443"),
        ("[2001:DB8::1]", "[2001:db8::1]:443"),
        ("localhost:8080", "localhost:8080"),
    ],
)
def test_grant_is_read_into_its_one_form(text, shown):
    assert str(parse_grant(text)) == shown
    assert parse_grant(shown) == parse_grant(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no host"),
        ("https://example.org", "URL"),
        ("example.org/path", "URL"),
        ("user@example.org", "user name"),
        ("*", "star"),
        ("*.", "host"),
        ("*.org", "two names"),
        ("*.localhost:1", "two names"),
        ("*.127.0.0.1", "two names"),
        ("*.[::1]:1", "two names"),
        ("a.*.example.org", "star"),
        ("a*.example.org", "star"),
        ("*.*.example.org", "star"),
        ("::1", "brackets"),
        ("[::1", "expected a host"),
        ("[fe80::1%eth0]:80", "expected a host"),
        ("[127.0.0.1]:80", "not an IPv6"),
        ("example.org:", "expected a host"),
        ("example.org:0", "expected a host"),
        ("example.org:-1", "expected a host"),
        ("example.org:080", "expected a host"),
        ("example.org:65536", "65535"),
        ("example.org:４４３", "expected a host"),
        ("example.org\n", "not a host name"),
        ("example .org", "not a host name"),
        ("example..org", "not a host name"),
        (".example.org", "not a host name"),
        ("-a.example.org", "not a host name"),
        ("a_b.example.org", "not a host name"),
        ("a" * 64 + ".org", "not a host name"),
        ("a." * 130 + "org", "not a host name"),
        ("127.1", "number"),
        ("2130706433", "number"),
        ("0x7f000001", "number"),
        ("0x7f.1", "number"),
        ("127.0.0.01", "number"),
        ("127.0.0.1.", "number"),
        ("１２７.0.0.1", "number"),
    ],
)
def test_malformed_grant_says_what_is_wrong(text, why):
    with pytest.raises(UsageError, match=why):
        parse_grant(text)


def test_grants_are_a_list_each_once():
    grants = check_grants(["b.example.org", "a.example.org", "B.example.org:443"])
    assert [grant.host for grant in grants] == ["b.example.org", "a.example.org"]
    with pytest.raises(UsageError, match="expected a list"):
        check_grants("example.org")


@pytest.mark.parametrize(
    ("grant", "target", "covered"),
    [
        ("example.org", "example.org:443", True),
        ("example.org", "EXAMPLE.org.:443", True),
        ("example.org", "example.org:80", False),
        ("example.org", "www.example.org:443", False),
        ("example.org", "example.org.evil.net:443", False),
        ("example.org", "notexample.org:443", False),
        ("*.example.org", "a.example.org:443", True),
        ("*.example.org", "a.b.example.org:443", True),
        ("*.example.org", "example.org:443", False),
        ("*.example.org", "aexample.org:443", False),
        ("*.example.org", "a.example.org.evil.net:443", False),
        ("*.example.org:80", "a.example.org:443", False),
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "localhost:80", False),
        ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", False),
        ("localhost:80", "127.0.0.1:80", False),
        ("localhost:80", "LOCALHOST.:80", True),
        ("[::1]:80", "[0::0:1]:80", True),
        ("аpple.com", "apple.com:443", False),  # the first letter is Cyrillic
        ("apple.com", "xn--pple-43d.com:443", False),
        ("аpple.com", "xn--pple-43d.com:443", True),
    ],
)
def test_grant_covers_what_it_names_only(grant, target, covered):
    assert parse_grant(grant).covers(*parse_authority(target)) is covered


@pytest.mark.parametrize(
    "text",
    ["a", "a:", "a:0", "a:65536", "a:99999999", "a: 443", "a:443 ", "u@a:443", "u:p@a:443", "a:443/",
     "a?b:443", "::1:443", "[::1]443", "[::1]:", "[a]:443", "[::1%1]:443", "a%00b:443", "a\\b:443",
     "a#b:443"],
)  # fmt: skip
def test_malformed_target_is_refused(text):
    with pytest.raises(ValueError, match=r"expected a host|not an IPv6|not a host|65535"):
        parse_authority(text)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "unspecified"),
        ("127.8.8.8", "loopback"),
        ("10.1.2.3", "private or reserved"),
        ("172.16.0.1", "private or reserved"),
        ("192.168.1.1", "private or reserved"),
        ("100.64.0.1", "private or reserved"),
        ("169.254.169.254", "link-local"),
        ("192.0.0.192", "private or reserved"),
        ("192.88.99.1", "private or reserved"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "private or reserved"),
        ("255.255.255.255", "private or reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "private or reserved"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("fe80::1", "link-local"),
        ("fe80::1%2", "link-local"),
        ("fc00::1", "private or reserved"),
        ("fd00:ec2::254", "private or reserved"),
        ("fec0::1", "private or reserved"),
        ("ff02::1", "multicast"),
        ("2002:7f00:1::", "tunnel"),
        ("2001::1", "tunnel"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("64:ff9b:1::1", "private or reserved"),
        ("3fff::1", "private or reserved"),
    ],
)
def test_address_that_is_not_public_is_told(address, why):
    assert why in why_not_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_public_address_is_public(address):
    assert why_not_public(ip_address(address)) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9.\-]{1,40}", fullmatch=True))
def test_normalising_a_host_twice_changes_nothing(text):
    try:
        once = normalise_host(text)
    except ValueError:
        return
    assert once.isascii()
    assert normalise_host(once) == once


@given(st.text(max_size=40))
def test_any_text_is_a_grant_or_a_usage_error(text):
    try:
        grant = parse_grant(text)
    except UsageError:
        return
    assert parse_grant(str(grant)) == grant
