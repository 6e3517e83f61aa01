"""Other people's clients against the simulator: only the two addresses are replaced.

Usage: client.py API_URL TOKEN_URL CLIENT_ID CLIENT_SECRET USER PASSWORD

`pfruck_contabo` is generated from a description of the API of 2024 and checks every reply strictly,
so what it accepts has the documented form. It cannot read an instance, from Contabo either: it wants
the text "yyyy-mm-dd" as every instance's cancelDate. Those replies are taken raw, by its own means.
`requests-oauthlib` is a general OAuth client.
"""

import base64
import json
import os
import sys
import uuid

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The simulator speaks plain HTTP on loopback.

import pfruck_contabo as contabo
from oauthlib.oauth2 import LegacyApplicationClient
from pfruck_contabo.exceptions import ApiException
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

API, TOKEN, CLIENT, SECRET, USER, PASSWORD = sys.argv[1:7]
UBUNTU = "d64d5c6c-9dda-4e38-8174-0ee282474d8a"


def session():
    return OAuth2Session(client=LegacyApplicationClient(client_id=CLIENT))


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def sign_in():
    person = dict(username=USER, password=PASSWORD)
    basic = session().fetch_token(TOKEN, auth=HTTPBasicAuth(CLIENT, SECRET), **person)
    form = session().fetch_token(TOKEN, client_secret=SECRET, include_client_id=True, **person)
    for token in (basic, form):
        found = claims(token["access_token"])
        assert found["preferred_username"] == USER, found
        assert found["tenantId"] in ("DE", "INT") and found["customerId"] and found["sub"], found
        assert claims(token["refresh_token"])["exp"] > found["exp"], "it outlives the access token"
        assert token["token_type"].lower() == "bearer" and token["expires_in"] == 300, token
    auth = HTTPBasicAuth(CLIENT, SECRET)
    refreshed = session().refresh_token(TOKEN, refresh_token=basic["refresh_token"], auth=auth)
    assert refreshed["access_token"] != basic["access_token"]
    return refreshed["access_token"]


def request_id():
    return str(uuid.uuid4())


def machines(client):
    instances = contabo.InstancesApi(client)
    order = contabo.CreateInstanceRequest(
        image_id=UBUNTU, product_id="V94", region="EU", period=1, display_name="independent"
    )
    asked = request_id()
    bought = instances.create_instance(asked, order, x_trace_id="independent").data[0]
    assert bought.status == "provisioning", bought
    number = bought.instance_id
    audits = contabo.InstancesAuditsApi(client).retrieve_instances_audits_list(
        request_id(), request_id=asked, order_by=["timestamp:desc"]
    )
    assert [entry.instance_id for entry in audits.data] == [number], audits
    raw = instances.retrieve_instances_list_without_preload_content(
        request_id(), order_by=["timestamp:desc"], display_name="independent", size=1
    )
    listed = json.loads(raw.data)
    assert listed["data"][0]["instanceId"] == number, listed
    assert listed["_pagination"]["totalElements"] == 1, listed
    instances.patch_instance(
        request_id(), number, contabo.PatchInstanceRequest(display_name="renamed")
    )
    return instances, number


def snapshots(client, number):
    api = contabo.SnapshotsApi(client)
    assert api.retrieve_snapshot_list(request_id(), number).data == []
    made = [
        api.create_snapshot(
            request_id(), number, contabo.CreateSnapshotRequest(name=name, description="d")
        ).data[0]
        for name in ("one", "two")
    ]
    try:
        api.create_snapshot(request_id(), number, contabo.CreateSnapshotRequest(name="three"))
        raise AssertionError("the plan has two slots")
    except ApiException as refused:
        assert refused.status == 402, refused
    api.rollback_snapshot(request_id(), number, made[0].snapshot_id, {})
    left = api.retrieve_snapshot_list(request_id(), number).data
    assert [one.name for one in left] == ["one"], left


def others(client):
    images = contabo.ImagesApi(client).retrieve_image_list(request_id(), size=3)
    assert len(images.data) == 3 and images.pagination.total_elements >= 15, images
    secrets = contabo.SecretsApi(client)
    key = contabo.CreateSecretRequest(name="key", type="ssh", value="ssh-ed25519 AAAA me")
    secret = secrets.create_secret(request_id(), key).data[0]
    assert secrets.retrieve_secret(request_id(), secret.secret_id).data[0].value == key.value
    secrets.delete_secret(request_id(), secret.secret_id)
    tags = contabo.TagsApi(client)
    wanted = contabo.CreateTagRequest(name="independent", color="#0A78C3")
    tag = tags.create_tag(request_id(), wanted).data[0]
    found = tags.retrieve_tag_list(request_id(), name="independent", order_by=["name:asc"])
    assert found.data[0].tag_id == tag.tag_id, found
    return tag.tag_id


def assign(client, tag, number):
    api = contabo.TagAssignmentsApi(client)
    api.create_assignment(request_id(), tag, "instance", str(number))
    found = api.retrieve_assignment_list(request_id(), tag)
    assert [one.resource_id for one in found.data] == [str(number)], found
    api.delete_assignment(request_id(), tag, "instance", str(number))


def main():
    configuration = contabo.Configuration(host=API, access_token=sign_in())
    with contabo.ApiClient(configuration) as client:
        instances, number = machines(client)
        tag = others(client)
        assign(client, tag, number)
        print(number, flush=True)
        # Whoever runs this lets time pass, until the machine runs.
        sys.stdin.readline()
        snapshots(client, number)
        actions = contabo.InstanceActionsApi(client)
        assert actions.restart(request_id(), number).data[0].action == "restart"
        image = contabo.ReinstallInstanceRequest(image_id=UBUNTU)
        assert instances.reinstall_instance(request_id(), number, image).data
        try:
            # In 2024 a cancellation had no body; since 2025 the description demands one.
            instances.cancel_instance(request_id(), number)
            raise AssertionError("a cancellation has a body")
        except ApiException as refused:
            assert refused.status == 400, refused
        try:
            instances.retrieve_instance(request_id(), 5)
            raise AssertionError("there is no instance 5")
        except ApiException as absent:
            assert absent.status == 404, absent
    print("done", flush=True)


main()
