"""falconpy: tokens, scopes, limits, and what it does with the answers."""

import os
import time
import unittest
import unittest.mock

import requests
from falconpy import APIHarnessV2, Alerts, Hosts, OAuth2
from falconpy._util._functions import base_url_regions

from sim import Sim


def setUpModule():
    global sim, falcon
    sim = Sim("--falcon-hosts", "20", "--cortex-tenants", "0", "--alerts", "10", "--token-ttl", "1799s")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]


def login(**more):
    return {"client_id": falcon.client_id, "client_secret": falcon.client_secret, "base_url": falcon.base_url, **more}


def message(answer):
    return answer["body"]["errors"][0]["message"]


class Token(unittest.TestCase):
    def setUp(self):
        sim.call("POST", "reset")

    def test_login_gives_the_three_fields_and_stays_on_loopback(self):
        auth = OAuth2(**login())
        answer = auth.token()
        self.assertEqual(answer["status_code"], 201)
        self.assertEqual(set(answer["body"]), {"access_token", "token_type", "expires_in"})
        self.assertEqual((answer["body"]["token_type"], answer["body"]["expires_in"]), ("bearer", 1799))
        region = answer["headers"]["X-Cs-Region"]
        self.assertNotIn(region.replace("-", "").upper(), base_url_regions(), "falconpy would leave for the cloud")
        self.assertEqual(auth.base_url, falcon.base_url)
        self.assertEqual(answer["headers"]["X-Ratelimit-Limit"], "300")
        self.assertEqual(sim.count("falcon-1", "oauth2AccessToken"), 1)

    def test_the_class_logs_in_by_itself_and_once(self):
        with sim.counting("falcon-1", oauth2AccessToken=1, QueryDevicesByFilter=3):
            hosts = Hosts(**login())
            for _ in range(3):
                self.assertEqual(hosts.query_devices_by_filter(limit=1)["status_code"], 200)
        self.assertTrue(hosts.auth_object.token_valid)
        self.assertLess(abs(hosts.auth_object.token_time - time.time()), 60)

    def test_wrong_credentials(self):
        unknown = OAuth2(**login(client_id="f" * 32)).token()
        self.assertEqual(unknown["status_code"], 400)
        self.assertEqual(message(unknown), f"Failed to generate access token for clientID={'f' * 32}.")
        secret = OAuth2(**login(client_secret="x" * 40)).token()
        self.assertEqual(secret["status_code"], 403)
        self.assertEqual(message(secret), "Failed to issue access token - Not Authorized")

    def test_a_token_that_expired_is_refused_and_a_new_one_is_good(self):
        hosts = Hosts(**login())
        self.assertEqual(hosts.query_devices_by_filter()["status_code"], 200)
        sim.advance("31m")
        answer = hosts.query_devices_by_filter()
        self.assertEqual((answer["status_code"], message(answer)), (401, "access denied, invalid bearer token"))
        hosts.auth_object.login()
        self.assertEqual(hosts.query_devices_by_filter()["status_code"], 200)

    def test_a_revoked_token_is_refused_and_the_other_lives(self):
        one, other = Hosts(**login()), Hosts(**login())
        for hosts in (one, other):
            self.assertEqual(hosts.query_devices_by_filter()["status_code"], 200)
        token = one.auth_object.token_value
        answer = one.auth_object.logout()
        self.assertEqual(answer["status_code"], 200)
        refused = Hosts(access_token=token, base_url=falcon.base_url).query_devices_by_filter()
        self.assertEqual((refused["status_code"], message(refused)), (401, "access denied, invalid bearer token"))
        self.assertEqual(other.query_devices_by_filter()["status_code"], 200)

    def test_revoke_with_the_class_that_is_made_for_it(self):
        auth = OAuth2(**login())
        token = auth.token()["body"]["access_token"]
        self.assertEqual(auth.revoke(token)["status_code"], 200)
        refused = Hosts(access_token=token, base_url=falcon.base_url).query_devices_by_filter()
        self.assertEqual(refused["status_code"], 401)


class Tls(unittest.TestCase):
    def test_over_tls_with_the_authority_and_not_without(self):
        tls = Sim("--tls", "--falcon-hosts", "5", "--cortex-tenants", "0", "--alerts", "0")
        self.addCleanup(tls.stop)
        mine = tls["falcon-1"]
        creds = {"client_id": mine.client_id, "client_secret": mine.client_secret, "base_url": mine.base_url}
        self.assertTrue(mine.base_url.startswith("https://127.0.0.1:"))
        # `ssl_verify` takes no path: falconpy drops whatever is not true or false.
        with unittest.mock.patch.dict(os.environ, REQUESTS_CA_BUNDLE=tls.ca):
            answer = Hosts(**creds).query_devices_by_filter()
        self.assertEqual(len(answer["body"]["resources"]), 5)
        self.assertNotEqual(OAuth2(**creds).token()["status_code"], 201)
        self.assertEqual(tls.count("falcon-1", "oauth2AccessToken"), 1)


class Gateway(unittest.TestCase):
    def setUp(self):
        sim.call("POST", "reset")
        self.hosts = Hosts(**login())

    def test_a_missing_scope(self):
        self.assertEqual(self.hosts.query_devices_by_filter()["status_code"], 200)
        with sim.fault("QueryDevicesByFilter", "403-scope", "falcon-1"):
            answer = self.hosts.query_devices_by_filter()
        self.assertEqual((answer["status_code"], message(answer)), (403, "access denied, scope not permitted"))
        self.assertEqual(self.hosts.query_devices_by_filter()["status_code"], 200)

    def test_every_reply_has_the_headers_of_the_limit(self):
        first = self.hosts.query_devices_by_filter()["headers"]
        second = self.hosts.query_devices_by_filter()["headers"]
        self.assertEqual(first["X-Ratelimit-Limit"], "6000")
        self.assertEqual(int(first["X-Ratelimit-Remaining"]) - int(second["X-Ratelimit-Remaining"]), 1)
        self.assertNotIn("X-Ratelimit-Retryafter", second)

    def test_the_limit_of_calls_without_a_token(self):
        stranger = Hosts(access_token="nobody", base_url=falcon.base_url)
        answers = [stranger.query_devices_by_filter() for _ in range(16)]
        self.assertEqual([a["status_code"] for a in answers], [401] * 15 + [429])
        self.assertEqual([a["headers"]["X-Ratelimit-Remaining"] for a in answers], [str(n) for n in range(14, -1, -1)] + ["0"])
        last = answers[-1]
        self.assertEqual(message(last), "API rate limit exceeded.")
        self.assertEqual(last["headers"]["X-Ratelimit-Limit"], "15")
        wait = int(last["headers"]["X-Ratelimit-Retryafter"]) - time.time()
        self.assertTrue(0 < wait <= 61, wait)
        self.assertEqual(self.hosts.query_devices_by_filter()["status_code"], 200, "the tenant has a limit of its own")

    def test_the_limit_by_fault(self):
        with sim.fault("QueryV2", "429", "falcon-1"):
            answer = Alerts(auth_object=self.hosts).query_alerts_v2()
        self.assertEqual((answer["status_code"], message(answer)), (429, "API rate limit exceeded."))
        self.assertGreater(int(answer["headers"]["X-Ratelimit-Retryafter"]), time.time())

    def test_an_unknown_route_and_a_wrong_method(self):
        self.hosts.query_devices_by_filter()
        bearer = {"Authorization": f"Bearer {self.hosts.auth_object.token_value}"}
        lost = requests.get(f"{falcon.base_url}/detects/queries/detects/v1", headers=bearer, timeout=10)
        self.assertEqual((lost.status_code, lost.json()["errors"][0]["message"]), (404, "404: Page Not Found"))
        wrong = requests.delete(f"{falcon.base_url}/devices/queries/devices/v1", headers=bearer, timeout=10)
        self.assertEqual(wrong.status_code, 405)


class Uber(unittest.TestCase):
    """The one class of falconpy that knows every operation by its name."""

    def setUp(self):
        sim.call("POST", "reset")

    def test_the_operations_by_name(self):
        falcon_api = APIHarnessV2(**login())
        ids = falcon_api.command("QueryDevicesByFilter", limit=5000)["body"]["resources"]
        self.assertEqual(len(ids), 20)
        posted = falcon_api.command("PostDeviceDetailsV2", body={"ids": ids})
        self.assertEqual({d["device_id"] for d in posted["body"]["resources"]}, set(ids))
        states = falcon_api.command("GetOnlineState_V1", ids=ids)["body"]["resources"]
        self.assertEqual({s["id"] for s in states}, set(ids))
        alerts = falcon_api.command("PostCombinedAlertsV1", body={"limit": 1000})["body"]["resources"]
        self.assertEqual(len(alerts), 10)
        entities = falcon_api.command("PostEntitiesAlertsV2", body={"composite_ids": [a["composite_id"] for a in alerts]})
        self.assertEqual(len(entities["body"]["resources"]), 10)
        for operation, n in {"QueryDevicesByFilter": 1, "PostDeviceDetailsV2": 1, "GetOnlineState.V1": 1,
                             "PostCombinedAlertsV1": 1, "GetV2": 1, "oauth2AccessToken": 1}.items():
            self.assertEqual(sim.count("falcon-1", operation), n, operation)

    def test_contain_by_name(self):
        falcon_api = APIHarnessV2(**login())
        host = falcon_api.command("QueryDevicesByFilter", filter="status:'normal'", limit=1)["body"]["resources"][0]
        answer = falcon_api.command("PerformActionV2", action_name="contain", body={"ids": [host]})
        self.assertEqual((answer["status_code"], answer["body"]["resources"][0]["id"]), (202, host))
        [entry] = sim.log("falcon-1")
        self.assertEqual((entry["operation"], entry["target"]), ("PerformActionV2", host))
