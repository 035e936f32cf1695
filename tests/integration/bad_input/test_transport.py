"""Bad inputs 4 to 17: whatever the wire does, the poll fails with its reason, and believes nothing."""

import gzip
import socket
import tracemalloc
import zlib
from contextlib import suppress

import pytest

from tests.integration.bad_input.polled import connected, fronted, polled, recovered, spoiled, truth
from tests.integration.tasks.recorded import Ours
from tests.integration.wire_server import Script, answer, reading, saying, serving
from uptake.http import Client

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PAGE = b'{"page":1,"pageSize":500,"hasMore":false,"totalCount":0,"data":[]}'
ZIPPED = gzip.compress(PAGE)
BOMB = gzip.compress(b"\0" * 2**24) * 64  # 1 GiB in 1 MiB
GOAWAY = b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0" + b"\0" * 8

BROKEN: list[tuple[str, Script, str, str]] = [
    (
        "case_04_reset_in_the_body",
        saying(HEAD + b"Content-Length: 99\r\n\r\n{", pause=0.05, reset=True),
        "transport",
        "Connection reset by peer",
    ),
    ("case_05_header_byte_by_byte", saying(*[b"%c" % n for n in HEAD], pause=0.03), "deadline", "within the deadline"),
    (
        "case_05_body_byte_by_byte",
        saying(HEAD + b"Content-Length: 66\r\n\r\n", *[b"%c" % n for n in PAGE], pause=0.03),
        "deadline",
        "within the deadline",
    ),
    ("case_06_no_answer", saying(b"", pause=1.3), "transport", "was silent for too long (read)"),
    ("case_07_body_shorter_than_said", saying(HEAD + b"Content-Length: 99\r\n\r\n" + PAGE), "protocol", "broke off"),
    (
        "case_08_body_longer_than_said",
        saying(HEAD + b"Content-Length: 40\r\nConnection: close\r\n\r\n" + PAGE),
        "schema",
        "is not readable as JSON",
    ),
    (
        "case_09_no_last_chunk",
        saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n42\r\n" + PAGE + b"\r\n"),
        "protocol",
        "broke off",
    ),
    ("case_10_cut_without_a_length", saying(HEAD + b"\r\n" + PAGE[:40]), "schema", "is not readable as JSON"),
    ("case_11_cut_into_valid_json", saying(HEAD + b'\r\n{"page":1,"data":[]}'), "schema", "field `hasMore`"),
    ("case_12_gzip_cut", saying(answer(ZIPPED[:30], "Content-Encoding: gzip")), "protocol", "compressed its answer"),
    ("case_12_gzip_without_crc", saying(answer(ZIPPED[:-8], "Content-Encoding: gzip")), "protocol", "compressed"),
    ("case_14_gzip_said_of_plain_bytes", saying(answer(PAGE, "Content-Encoding: gzip")), "protocol", "compressed"),
    ("case_14_brotli_unasked", saying(answer(b"\x8b\x00\x80", "Content-Encoding: br")), "protocol", "compressed"),
    ("case_14_zstd_unasked", saying(answer(b"\x28\xb5\x2f\xfd", "Content-Encoding: zstd")), "protocol", "compressed"),
    ("case_14_deflate_unasked", saying(answer(zlib.compress(PAGE), "Content-Encoding: deflate")), "protocol", "compr"),
    ("case_15_header_of_200_kB", saying(HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n"), "protocol", "rules of HTTP"),
    ("case_15_10000_headers", saying(HEAD + b"X-Some: %030d\r\n" % 0 * 10_000 + b"\r\n"), "protocol", "rules of HTTP"),
    ("case_15_garbage_status_line", saying(b"HTTP/1.1 2OO Fine\r\n\r\n"), "protocol", "rules of HTTP"),
    ("case_15_switching_protocols", saying(b"HTTP/1.1 101 Switching\r\n\r\n"), "protocol", "rules of HTTP"),
    ("case_17_http2_goaway", saying(GOAWAY), "protocol", "rules of HTTP"),
]


@pytest.mark.parametrize(("script", "fault", "reason"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_answers(ours: Ours, script: Script, fault: str, reason: str) -> None:
    """A page that the wire spoiled is no page, never an empty list; the next poll records what was missed."""
    with fronted(ours.portal, script) as base, connected(ours, base=base):
        run = spoiled(ours)
    assert run.fault == fault
    assert reason in run.reason
    recovered(ours)


@pytest.mark.parametrize(
    ("kind", "fault", "reason"),
    [("bomb", "protocol", "compressed its answer"), ("page", "too_large", "more than 20971520 bytes")],
    ids=["case_13_gzip_bomb", "case_16_page_of_200_MB"],
)
def test_nothing_unfolds(ours: Ours, kind: str, fault: str, reason: str) -> None:
    """What would not fit is given up early: neither memory nor the wire carry much more than a page may have."""
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        reading(connection)
        connection.sendall(HEAD + b"Content-Length: 200000000\r\n\r\n")
        with suppress(OSError):
            while sent < 200_000_000:
                sent += connection.send(b" " * 2**16)

    script = saying(answer(BOMB, "Content-Encoding: gzip")) if kind == "bomb" else endless
    client = Client()
    with fronted(ours.portal, script) as base, connected(ours, base=base, client=client):
        tracemalloc.start()
        run = spoiled(ours)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (run.fault, reason in run.reason) == (fault, True)
    assert most < 100_000_000
    assert sent < 40_000_000
    recovered(ours)


def kept(said: bytes) -> bytes:
    """The answer, of a server that keeps its connections."""
    return said.replace(b"HTTP/1.0", b"HTTP/1.1").replace(b"Connection: close\r\n", b"")


def test_case_08_answer_to_no_question(ours: Ours) -> None:
    """What comes behind an answer is not taken for the answer to the next question."""
    unasked = 0

    def script(connection: socket.socket) -> None:
        nonlocal unasked
        while head := reading(connection):
            said = kept(truth(ours.portal, head))
            if b"/versions" in head and b"page=2" in head:
                said, unasked = said + answer(PAGE), unasked + 1
            connection.sendall(said)

    with serving(script) as base, connected(ours, base=base):
        recorded = polled(ours)
    assert (recorded.outcome, recorded.changed) == ("complete", 3)
    assert unasked == 2


def test_case_17_kept_connections_are_closed(ours: Ours) -> None:
    """A portal that hangs up on each second request of a connection is asked again at once, and read to the end."""
    asked = 0

    def script(connection: socket.socket) -> None:
        nonlocal asked
        connection.sendall(kept(truth(ours.portal, reading(connection))))
        asked += bool(reading(connection))

    with serving(script) as base, connected(ours, base=base):
        assert polled(ours).changed == 3
    assert asked > 2


def test_case_17_only_one_more_try(ours: Ours) -> None:
    """When the new connection is closed too, the rest is left to the next poll."""
    heads = []

    def first(connection: socket.socket) -> None:
        connection.sendall(kept(truth(ours.portal, reading(connection))))
        heads.append(reading(connection))

    with serving(first, lambda connection: heads.append(reading(connection))) as base, connected(ours, base=base):
        run = spoiled(ours)
    assert run.fault == "transport"
    assert len(heads) == 2
    assert heads[0] == heads[1]
    recovered(ours)
