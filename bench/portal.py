"""A portal that only hands out prepared bytes: `python -m bench.portal TENANTS`; its address is its first line."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 500
SCOPES = [{"name": "tn.crm.customers", "view": True, "modify": False}]
MORE = [*SCOPES, {"name": "tn.jpm.jobs", "view": True, "modify": False}]


class Prepared:
    """The pages of one app with so many tenants; *changed* of them run version 2."""

    def __init__(self, tenants: int) -> None:
        self.tenants = tenants
        self.pages: dict[int, bytes] = {}
        self.change(0)

    def change(self, changed: int) -> None:
        """Make the pages again."""
        rows = [_row(number, 2 if number < changed else 1) for number in range(self.tenants)]
        for start in range(0, self.tenants, PAGE):
            self.pages[start // PAGE + 1] = _page(rows[start : start + PAGE], start // PAGE + 1, self.tenants)


def _row(number: int, version: int) -> dict[str, object]:
    accepted = f"2026-0{version}-02T00:00:00Z"
    return {
        "id": number + 1,
        "appId": 4711,
        "resourceOwner": {"kind": "tenant", "id": str(number + 1), "name": f"Tenant {number + 1}"},
        "environment": "production",
        "status": "connected",
        "enabled": True,
        "version": version,
        "latestVersion": 2,
        "scopes": [f"{scope['name']}:r" for scope in (SCOPES if version == 1 else MORE)],
        "clientId": f"cid.{number + 1}",
        "clientSecrets": [],
        "allowedOn": "2026-01-02T00:00:00Z",
        "versionAcceptedOn": accepted,
        "versionAcceptedBy": "admin",
        "createdOn": "2026-01-02T00:00:00Z",
        "modifiedOn": accepted,
    }


def _page(rows: list[dict[str, object]], number: int, total: int) -> bytes:
    more = number * PAGE < total
    return json.dumps(
        {"page": number, "pageSize": PAGE, "hasMore": more, "totalCount": total, "data": rows}, separators=(",", ":")
    ).encode()


def _versions() -> bytes:
    by = {"id": 7, "name": "j.doe"}
    rows: list[dict[str, object]] = [
        {"appId": 4711, "version": n, "scopes": s, "createdOn": f"2026-0{n}-01T00:00:00Z", "createdBy": by}
        for n, s in ((1, SCOPES), (2, MORE))
    ]
    return _page(rows, 1, 2)


def _apps() -> bytes:
    app: dict[str, object] = {
        "id": 4711,
        "name": "Dispatch Helper",
        "organizationName": "Acme Apps",
        "homePageUrl": "https://acme.example",
        "distribution": "public",
        "approvalStatus": "approved",
        "appKey": "ak1.key",
        "latestVersion": 2,
        "environments": ["integration", "production"],
        "active": True,
        "createdOn": "2026-01-01T00:00:00Z",
        "modifiedOn": "2026-02-01T00:00:00Z",
    }
    return _page([app], 1, 1)


def main(tenants: int) -> None:
    """Serve until ended."""
    prepared = Prepared(tenants)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Hand out a page; /change?rows=N makes them again."""
            asked = urlsplit(self.path)
            query = parse_qs(asked.query)
            if asked.path == "/change":
                prepared.change(int(query["rows"][0]))
                self._say(b"{}")
            elif asked.path.endswith("/connections"):
                self._say(prepared.pages[int(query["page"][0])])
            else:
                self._say(_versions() if asked.path.endswith("/versions") else _apps())

        def do_POST(self) -> None:
            """A token."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self._say(b'{"access_token": "at1.token", "expires_in": 900, "token_type": "Bearer"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing: the terminal is for figures."""

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    # Headers and body are two writes: without this, each answer waits 40 ms for an acknowledgement.
    Handler.wbufsize = -1
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
