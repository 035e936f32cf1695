"""The seed page, sentence by sentence: each behaviour that it states, tried over the API."""

from tests.integration.portal.world import (
    JOBS,
    MODIFY,
    VIEW,
    Caller,
    World,
    app_body,
    code,
    connected,
    token_of,
    using,
)

CUSTOMERS, WORK = ("crm", "customers"), ("jpm", "jobs")


def test_from_my_apps_you_can_manage_your_existing_apps(developer: Caller) -> None:
    """Apps are listed, read and edited."""
    app = developer.ok("POST", "/apps", app_body())
    tag = developer("GET", f"/apps/{app['id']}").headers["etag"]
    edited = developer("PATCH", f"/apps/{app['id']}", json={"name": "Renamed"}, headers={"If-Match": tag})
    assert edited.status_code == 200
    assert [row["name"] for row in developer.listed("/apps")] == ["Renamed"]


def test_enter_name_organization_home_page_and_tenant_ids(developer: Caller, admin: Caller) -> None:
    """A new app has the four things that were entered."""
    tenant = admin.credentials["id"]
    app = developer.ok("POST", "/apps", app_body(tenantIds=[tenant]))
    shown = {name: app[name] for name in ("name", "organizationName", "homePageUrl")}
    assert shown == {name: app_body()[name] for name in shown}
    (entry,) = developer.listed(f"/apps/{app['id']}/availability")
    assert entry["resourceOwner"]["id"] == tenant


def test_tenants_will_only_see_a_public_app_after_approval(world: World, developer: Caller, admin: Caller) -> None:
    """Before the operator approves there is no such app for a tenant; afterwards there is, in every later version."""
    body = app_body(distribution="public", tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)
    assert app["approvalStatus"] == "pending"
    assert admin.listed("/app-access") == []
    assert code(admin("POST", f"/app-access/{app['id']}/allow")) == (404, "not_found")
    world.operator().ok("POST", f"/apps/{app['id']}/approve")
    admin.ok("POST", f"/app-access/{app['id']}/allow")
    developer.ok("POST", f"/apps/{app['id']}/versions", {"scopes": [VIEW, JOBS]})
    assert admin.ok("GET", f"/app-access/{app['id']}")["newVersionAvailable"] is True


def test_private_app_is_for_only_one_single_customer(world: World, developer: Caller) -> None:
    """Tenants of one customer, as many as it has; another customer's is refused."""
    own, stranger = world.tenants(2, "Bright"), world.tenants(1, "Dim")
    app = developer.ok("POST", "/apps", app_body(tenantIds=own))["id"]
    assert code(developer("PUT", f"/apps/{app}/availability/{stranger[0]}")) == (409, "second_customer")


def test_add_tenant_ids_of_those_you_want_your_app_visible_to(world: World, developer: Caller) -> None:
    """Who is listed sees the app, nobody else does."""
    listed, other = world.admins(2)
    developer.ok("POST", "/apps", app_body(tenantIds=[listed.credentials["id"]]))
    assert len(listed.listed("/app-access")) == 1
    assert other.listed("/app-access") == []


def test_you_can_add_and_delete_tenant_ids_anytime(developer: Caller, admin: Caller) -> None:
    """Also of an app that is used: its access ends with the tenant id, and can begin anew."""
    app = connected(developer, admin)
    path = f"/apps/{app}/availability/{admin.credentials['id']}"
    developer.ok("DELETE", path)
    assert admin.listed("/app-access") == []
    developer.ok("PUT", path)
    assert [row["status"] for row in admin.listed("/app-access")] == ["disconnected"]


def test_view_or_modify_or_view_and_modify(world: World, developer: Caller, admin: Caller) -> None:
    """Each of the three can be chosen, and each opens what it says."""
    for scopes, statuses in (([VIEW], (200, 403)), ([MODIFY], (403, 201)), ([VIEW, MODIFY], (200, 201))):
        app = connected(developer, admin, scopes=scopes)
        client = using(world, developer, admin, app)
        assert (client.get(*CUSTOMERS).status_code, client.post(*CUSTOMERS, name="x").status_code) == statuses


def test_selected_scopes_are_displayed_to_the_app_subscriber(developer: Caller, admin: Caller) -> None:
    """Before allowing, the tenant's admin reads what the app asks for, by level."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]], scopes=[VIEW, JOBS]))["id"]
    pending = admin.ok("GET", f"/app-access/{app}/pending")
    assert [(row["displayName"], row["view"], row["modify"]) for row in pending["scopes"]] == [
        ("Customers", True, False),
        ("Jobs", True, False),
    ]


def test_admin_can_generate_client_id_and_secret(world: World, developer: Caller, admin: Caller) -> None:
    """After allowing, the tenant's admin makes them, and they fetch a token."""
    app = connected(developer, admin)
    secret = admin.ok("POST", f"/app-access/{app}/client-secrets")
    assert token_of(world, secret).json()["scope"] == VIEW


def test_application_key_is_generated_with_the_app(developer: Caller) -> None:
    """The answer that made the app shows its key."""
    assert developer.ok("POST", "/apps", app_body())["appKey"].startswith("ak1.")


def test_key_and_token_make_a_successful_call(world: World, developer: Caller, admin: Caller) -> None:
    """With both a call succeeds, without the key it does not."""
    client = using(world, developer, admin, connected(developer, admin))
    assert client.get(*CUSTOMERS).status_code == 200
    del client.headers["ST-App-Key"]
    assert code(client.get(*CUSTOMERS)) == (401, "app_key_missing")


def test_app_key_is_not_environment_specific(world: World, developer: Caller, admin: Caller) -> None:
    """One key works with the tokens of both environments."""
    app = connected(developer, admin)
    admin.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    client = using(world, developer, admin, app)
    assert client.get(*CUSTOMERS).status_code == 200
    client.secret = admin.ok("POST", f"/app-access/{app}/client-secrets", params={"environment": "integration"})
    client.renewed()
    assert client.get(*CUSTOMERS).status_code == 200


def test_changing_scopes_makes_no_new_app_key(developer: Caller) -> None:
    """The key stays through versions."""
    app = developer.ok("POST", "/apps", app_body())
    developer.ok("POST", f"/apps/{app['id']}/versions", {"scopes": [JOBS]})
    assert developer.ok("GET", f"/apps/{app['id']}")["appKey"] == app["appKey"]


def test_client_id_and_secret_need_not_be_replaced(world: World, developer: Caller, admin: Caller) -> None:
    """They stay through a version and its upgrade."""
    app = connected(developer, admin)
    secret = admin.ok("POST", f"/app-access/{app}/client-secrets")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    assert token_of(world, secret).status_code == 200
    assert admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})["clientId"] == secret["clientId"]
    assert token_of(world, secret).json()["scope"] == JOBS


def test_new_scopes_come_into_play_only_after_the_upgrade(world: World, developer: Caller, admin: Caller) -> None:
    """403 until the tenant's admin upgrades, 200 after."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    client.renewed()
    assert client.get(*WORK).status_code == 403
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    assert client.get(*WORK).status_code == 200


def test_every_change_makes_a_version_1_2_3_and_so_on(developer: Caller) -> None:
    """The first is 1, each change makes the next, no change makes none."""
    path = f"/apps/{developer.ok('POST', '/apps', app_body())['id']}/versions"
    for scopes in ([VIEW, JOBS], [JOBS], [VIEW]):
        developer.ok("POST", path, {"scopes": scopes})
    assert code(developer("POST", path, json={"scopes": [VIEW]})) == (409, "scopes_unchanged")
    assert [row["version"] for row in developer.listed(path)] == [4, 3, 2, 1]


def test_version_history_shows_scopes_created_on_and_user(developer: Caller) -> None:
    """Every earlier version is there with its scopes and its stamp."""
    path = f"/apps/{developer.ok('POST', '/apps', app_body())['id']}/versions"
    developer.ok("POST", path, {"scopes": [JOBS]})
    second, first = developer.listed(path)
    assert [[scope["name"] for scope in row["scopes"]] for row in (first, second)] == [
        ["tn.crm.customers"],
        ["tn.jpm.jobs"],
    ]
    assert first["createdOn"] <= second["createdOn"]
    assert second["createdBy"]["name"] == "j.doe"


def test_version_history_shows_what_was_added_or_removed(developer: Caller) -> None:
    """In each version."""
    path = f"/apps/{developer.ok('POST', '/apps', app_body())['id']}/versions"
    developer.ok("POST", path, {"scopes": [JOBS]})
    assert [(row["added"], row["removed"]) for row in developer.listed(path)] == [([JOBS], [VIEW]), ([VIEW], [])]


def test_view_connections_shows_tenants_versions_and_scopes_in_play(world: World, developer: Caller) -> None:
    """Who upgraded, who did not, who never connected; and what each has in play."""
    admins = world.admins(3)
    app = world.approved(developer, tenantIds=[one.credentials["id"] for one in admins])
    for admin in admins[:2]:
        admin.ok("POST", f"/app-access/{app}/allow")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    admins[0].ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    rows = {row["resourceOwner"]["id"]: row for row in developer.listed(f"/apps/{app}/connections")}
    assert [
        (
            rows[one.credentials["id"]]["status"],
            rows[one.credentials["id"]]["version"],
            rows[one.credentials["id"]]["scopes"],
        )
        for one in admins
    ] == [("connected", 2, [JOBS]), ("connected", 1, [VIEW]), ("notConnected", None, [])]


def test_deleting_an_application_deletes_its_key(world: World, developer: Caller, admin: Caller) -> None:
    """The key is gone at once, calls with it answer 401, and the tenants' access has ended."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    assert client.get(*CUSTOMERS).status_code == 200
    developer.ok("DELETE", f"/apps/{app}")
    assert client.get(*CUSTOMERS).status_code == 401
    (row,) = developer.listed("/apps", includeDeleted="true")
    assert (row["appKey"], row["active"]) == (None, False)
    assert admin.listed("/app-access") == []
    assert token_of(world, client.secret).json() == {"error": "invalid_client"}
