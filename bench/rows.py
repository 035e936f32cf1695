"""The bytes of one connection, version, app and page, in the portal's contract; made from templates, not from dicts."""

import json
from datetime import UTC, datetime, timedelta

from bench.shape import FIRST_APP, FIRST_CONNECTION, Shape

# Names of one length: a connection takes as many bytes at every version, so that it can be changed in place.
_SCOPES = (
    "tn.crm.book", "tn.jpm.jobs", "tn.dis.team", "tn.acc.bill", "tn.pri.item", "tn.tel.call", "tn.mkt.mail",
    "tn.inv.part", "tn.pay.time", "tn.mem.plan", "tn.set.tech", "tn.rep.view", "tn.equ.unit",
)  # fmt: skip
_EACH = 4  # grants in a set; the next version drops the oldest and adds one
_LOGINS = (b"admin", b"owner", b"r.lee", b"m.kay")
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_MOMENTS = 997
_MIX, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1

_CONNECTION = (
    b'{"id":%d,"appId":%d,"resourceOwner":{"kind":"tenant","id":"%d","name":"Bright HVAC %07d"},'
    b'"environment":"production","status":"connected","enabled":true,"version":%d,"latestVersion":%d,"scopes":%b,'
    b'"clientId":"cid.%016x","clientSecrets":[{"id":%d,"valuePrefix":"cs1.%02x","createdOn":"%b"}],'
    b'"allowedOn":"%b","versionAcceptedOn":"%b","versionAcceptedBy":"%b","createdOn":"%b","modifiedOn":"%b",'
    b'"revision":%d}'
)


def _grants(version: int) -> list[str]:
    return list(_SCOPES[version - 1 : version - 1 + _EACH])


def _moment(number: int) -> datetime:
    return _EPOCH + timedelta(minutes=number * 131)


# By version, and by a connection's number: nothing is formatted twice.
_SETS = [
    json.dumps([f"{name}:r" for name in _grants(version)], separators=(",", ":")).encode()
    for version in range(1, len(_SCOPES) - _EACH + 2)
]
_WHOLE = [_moment(number).strftime("%Y-%m-%dT%H:%M:%SZ").encode() for number in range(_MOMENTS)]
_FINE = [_moment(number).strftime(f"%Y-%m-%dT%H:%M:%S.{number:03}0000Z").encode() for number in range(_MOMENTS)]


def connection(shape: Shape, number: int, version: int) -> bytes:
    """The connection *number* at *version*."""
    app, tenant = divmod(number, shape.tenants)
    created = _FINE[(number * 7) % _MOMENTS]
    accepted = _WHOLE[(number * 7 + version * 31) % _MOMENTS]
    return _CONNECTION % (
        FIRST_CONNECTION + number,
        FIRST_APP + app,
        1_000_000_000 + tenant * 997,
        tenant,
        version,
        shape.latest,
        _SETS[version - 1],
        (number + 1) * _MIX & _MASK,
        10 + number % 90,
        number % 256,
        _WHOLE[number % _MOMENTS],
        _WHOLE[(number * 7) % _MOMENTS],
        accepted,
        _LOGINS[(number + version) % len(_LOGINS)],
        created,
        accepted,
        10 + version,
    )


def header(number: int, *, size: int, total: int, generation: int = 0) -> bytes:
    """How a page begins; *generation* is a field that nobody reads, to make its bytes differ."""
    more = b"true" if number * size < total else b"false"
    return b'{"page":%d,"pageSize":%d,"hasMore":%b,"totalCount":%d,"generation":"%08d","data":[' % (
        number,
        size,
        more,
        total,
        generation,
    )


def page(rows: list[bytes], number: int, *, size: int, total: int) -> bytes:
    """A whole page."""
    return header(number, size=size, total=total) + b",".join(rows) + b"]}"


def app(shape: Shape, index: int) -> bytes:
    """One app as it is listed."""
    return _dumped(
        id=FIRST_APP + index,
        publicId=f"b1f6{index:08x}",
        name=f"Dispatch Helper {index}",
        organizationName="Acme Apps",
        homePageUrl="https://acme.example",
        distribution="public",
        approvalStatus="approved",
        approvedOn="2024-01-02T15:00:00Z",
        appKey=f"ak1.{index:08x}",
        credentialManagement="developer",
        latestVersion=shape.latest,
        availabilityCount=shape.tenants,
        active=True,
        createdOn="2024-01-01T09:12:44.1230000Z",
        createdBy="j.doe",
        modifiedOn="2024-05-04T08:00:00Z",
    )


def versions(shape: Shape, index: int) -> list[bytes]:
    """The versions of one app, oldest first, a month apart."""
    sets = {number: _grants(number) for number in range(1, shape.latest + 1)}
    return [
        _dumped(
            appId=FIRST_APP + index,
            version=number,
            createdOn=f"2024-{number:02}-01T08:00:00Z",
            createdBy={"id": 77, "name": "j.doe"},
            scopes=[
                {"name": name, "displayName": name.rpartition(".")[2].title(), "view": True, "modify": False}
                for name in grants
            ],
            added=[f"{name}:r" for name in grants if name not in sets.get(number - 1, ())],
            removed=[f"{name}:r" for name in sets.get(number - 1, ()) if name not in grants],
        )
        for number, grants in sets.items()
    ]


def _dumped(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
