"""Nothing leaves this machine.

Imported before anything else. An audit hook sees every name that is looked up and every address that is
connected or sent to, by whichever way Python is asked, and refuses all but loopback; it cannot be taken
off again. Names under `.localhost` are 127.0.0.1, as they are on systems that know RFC 6761; no resolver
is asked for anything. Proxies of the environment are forgotten.
"""

import ipaddress
import os
import socket
import sys

for _name in [n for n in os.environ if n.lower() in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")]:
    del os.environ[_name]
os.environ["NO_PROXY"] = "*"


class Blocked(BaseException):
    """Something wanted to leave. No client's `except Exception` catches it."""


violations = []


def loopback(host):
    """Whether a host is this machine: an address of 127.0.0.0/8, ::1, or a name under `localhost`."""
    host = host.decode() if isinstance(host, bytes) else host
    if not isinstance(host, str):
        return False
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse(what):
    violations.append(what)
    raise Blocked(f"blocked: {what}")


def _watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        _, address = args
        if isinstance(address, tuple) and not loopback(address[0]):
            refuse(f"{event} {address}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        # No host means: an address of our own, to listen on.
        if args[0] is not None and not loopback(args[0]):
            refuse(f"{event} {args[0]}")


sys.addaudithook(_watch)

_getaddrinfo = socket.getaddrinfo


def _resolve(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and loopback(name) and name.rstrip(".").lower().endswith("localhost"):
        name = "127.0.0.1"
    return _getaddrinfo(name, *args, **kwargs)


socket.getaddrinfo = _resolve
