"""The portal of the measurements: nginx on prepared files, so that the server is not ours and costs next to nothing."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.embedded.process import leashed

_PATIENCE = 10.0
_CONFIG = """
daemon off;
worker_processes 2;
pid {place}/nginx.pid;
error_log {place}/error.log error;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    default_type application/json;
    types {{ }}
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    sendfile on;
    sendfile_max_chunk 2m;
    tcp_nopush on;
    tcp_nodelay on;
    gzip off;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
    root {root};
    map $arg_page $wanted {{ "" 1; default $arg_page; }}
    server {{ listen 127.0.0.1:{plain}; etag off; if_modified_since off; add_header Last-Modified ""; {routes} }}
    server {{ listen 127.0.0.1:{conditional}; etag on; {routes} }}
}}
"""
_ROUTES = """
location = /connect/token {
    return 200 '{"access_token":"at1.bench","expires_in":900,"token_type":"Bearer"}';
}
location = /hook { return 204; }
location ~ ^/portal/v2/organization/[^/]+/apps$ { try_files /apps/$wanted.json =404; }
location ~ ^/portal/v2/organization/[^/]+/apps/(?<app>[0-9]+)$ { try_files /$app/app.json =404; }
location ~ ^/portal/v2/organization/[^/]+/apps/(?<app>[0-9]+)/(?<list>connections|versions)$ {
    try_files /$app/$list/$wanted.json =404;
}
"""


@dataclass(frozen=True, slots=True)
class Portal:
    """Two addresses for the same files: *conditional* gives ETags and answers 304, *plain* never does."""

    plain: str
    conditional: str


@contextmanager
def portal(root: Path) -> Iterator[Portal]:
    """Serve the files under *root* while the block runs."""
    place = root.parent / f"{root.name}-nginx"
    place.mkdir()
    plain, conditional = _free_ports()
    user = "user root;" if os.geteuid() == 0 else ""
    config = _CONFIG.format(place=place, root=root, user=user, plain=plain, conditional=conditional, routes=_ROUTES)
    (place / "nginx.conf").write_text(config)
    command = [_program(), "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")]
    process = subprocess.Popen(leashed(command, death=signal.SIGTERM), stdin=subprocess.DEVNULL)
    try:
        _await(process, plain, place / "error.log")
        yield Portal(f"http://127.0.0.1:{plain}", f"http://127.0.0.1:{conditional}")
    finally:
        process.terminate()
        process.wait()


def _program() -> str:
    """Where nginx is; installed first where that can be done."""
    found = _found()
    if found is None and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        print("Installing nginx ...", flush=True)
        subprocess.run([apt, "install", "-y", "-qq", "nginx-light"], check=False, stdout=subprocess.DEVNULL)
        found = _found()
    if found is None:
        raise SystemExit("The measurements are served by nginx, which is not here: install nginx (or nginx-light).")
    return found


def _found() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def _free_ports() -> tuple[int, int]:
    with closing(socket.socket()) as one, closing(socket.socket()) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"nginx does not start: {log.read_text().strip()[-500:] if log.exists() else 'it said nothing'}")
