"""The verifier's command, watched: whom it connects to and which names it looks up.

    python scripts/watched_verifier.py [--no-names] FILE... [options of perdure verify]

What it asked goes to the error stream as one line of JSON. With --no-names no name can be
looked up, as if there were no DNS.
"""

import ipaddress
import json
import socket
import sys
from typing import Any

from ledger.verify.command import run


class Watch:
    """Hears of every connection and every name that this process asks for."""

    def __init__(self, *, names: bool) -> None:
        self._names = names
        self.connected: set[str] = set()
        self.looked_up: set[str] = set()

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What the interpreter calls (PEP 578)."""
        if event == "socket.connect":
            address = arguments[1]
            self.connected.add(
                f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "?"
            )
        elif event == "socket.getaddrinfo":
            host = str(arguments[0])
            if _is_name(host):
                self.looked_up.add(host)
                if not self._names:
                    raise socket.gaierror(socket.EAI_AGAIN, "no DNS")


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def main(arguments: list[str]) -> int:
    """Run it and tell."""
    no_names = "--no-names" in arguments
    watch = Watch(names=not no_names)
    sys.addaudithook(watch.hear)
    rest = [word for word in arguments if word != "--no-names"]
    code = run(rest, program="perdure verify")
    told = {"connected": sorted(watch.connected), "lookedUp": sorted(watch.looked_up)}
    print(json.dumps(told), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
