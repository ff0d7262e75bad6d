"""Lists every host of one tenant on loopback with a peer: `list.py WAY BASE_URL`.

One line of JSON comes out: how many hosts there were, how many milliseconds it took from the first request on, and how
large the process was at its largest. Nothing is decoded twice, and every peer has the largest page that it can ask for.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "interop"))

import guard  # first: nothing that follows may leave loopback

import json
import time
from urllib.parse import urlsplit

# What Falcon, its clients and Cortex XDR give at a time.
DEVICES, DETAILS, ENDPOINTS = 10_000, 5_000, 100


def good(answer):
    if answer["status_code"] != 200:
        raise RuntimeError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def falconpy_combined(base):
    from falconpy import Hosts
    yield
    hosts = Hosts(client_id="id", client_secret="secret", base_url=base)
    found, key = 0, {}
    while True:
        body = good(hosts.query_devices_by_filter_combined(limit=DEVICES, **key))
        found += len(body["resources"])
        if not body["meta"]["pagination"]["next"]:
            yield found
            return
        key = {"offset": body["meta"]["pagination"]["next"]}


def falconpy_details(base):
    from falconpy import Hosts
    yield
    hosts = Hosts(client_id="id", client_secret="secret", base_url=base)
    found, key = 0, {}
    while True:
        ids = good(hosts.query_devices_by_filter_scroll(limit=DETAILS, **key))
        found += len(good(hosts.post_device_details_v2(ids=ids["resources"]))["resources"])
        if not ids["resources"] or found >= ids["meta"]["pagination"]["total"]:
            yield found
            return
        key = {"offset": ids["meta"]["pagination"]["offset"]}


def caracara(base):
    from caracara import Client
    from falconpy import OAuth2
    yield
    client = Client(falconpy_authobject=OAuth2(client_id="id", client_secret="secret", base_url=base))
    yield len(client.hosts.describe_devices())


def cortex(base):
    from cortex_xdr_client.api.authentication import Authentication, AuthenticationType
    from cortex_xdr_client.client import CortexXDRClient
    yield
    client = CortexXDRClient(Authentication("key", 1, AuthenticationType.ADVANCED), urlsplit(base).netloc)
    # It would speak TLS; the others do not here, and so it need not either.
    client.endpoints_api._base_url = base
    found = 0
    while True:
        reply = client.endpoints_api.get_endpoint(search_from=found, search_to=found + ENDPOINTS).reply
        found += len(reply.endpoints)
        if not reply.endpoints or found >= reply.total_count:
            yield found
            return


WAYS = {"falconpy-combined": falconpy_combined, "falconpy-details": falconpy_details, "caracara": caracara, "cortex": cortex}


def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    way, base = sys.argv[1:]
    steps = WAYS[way](base)
    next(steps)  # what it imports is not part of the listing
    began = time.perf_counter()
    found = next(steps)
    took = (time.perf_counter() - began) * 1e3
    if guard.violations:
        sys.exit(f"attempts to leave loopback: {guard.violations}")
    print(json.dumps({"items": found, "ms": took, "peak_kib": peak_kib()}))


main()
