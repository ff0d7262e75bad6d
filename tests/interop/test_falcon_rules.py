"""falconpy: exclusions and installation tokens are made, read back, changed and deleted."""

import unittest

from falconpy import Hosts, InstallationTokens, IOAExclusions, MLExclusions, SensorVisibilityExclusions

from sim import Sim


def setUpModule():
    global sim, hosts, ioa, ml, visibility, tokens
    sim = Sim("--falcon-hosts", "20", "--cortex-tenants", "0", "--alerts", "0")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    ioa, ml, visibility = IOAExclusions(auth_object=hosts), MLExclusions(auth_object=hosts), SensorVisibilityExclusions(auth_object=hosts)
    tokens = InstallationTokens(auth_object=hosts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


class Rules(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")

    def life(self, query, get, delete, made):
        self.assertEqual(good(query())["resources"], [made["id"]])
        self.assertEqual(good(get(ids=made["id"]))["resources"][0]["id"], made["id"])
        self.assertEqual(good(delete(ids=made["id"]))["resources"], [made["id"]])
        self.assertEqual(good(query())["resources"], [])

    def test_machine_learning(self):
        made = good(ml.create_exclusions(value="C:\\Tools\\**", excluded_from=["blocking"], groups=["all"]), 201)["resources"][0]
        self.assertTrue(made["applied_globally"])
        changed = good(ml.update_exclusions(id=made["id"], value="D:\\Tools\\**"))["resources"][0]
        self.assertEqual(changed["value"], "D:\\Tools\\**")
        self.life(ml.query_exclusions, ml.get_exclusions, ml.delete_exclusions, made)
        self.assertEqual(ml.query_exclusions(sort="value|asc")["status_code"], 400)

    def test_sensor_visibility(self):
        made = good(visibility.create_exclusions(value="/opt/db/**", groups=["all"]), 201)["resources"][0]
        self.life(visibility.query_exclusions, visibility.get_exclusions, visibility.delete_exclusions, made)

    def test_indicators_of_attack(self):
        made = good(ioa.create_exclusions(cl_regex=".*", ifn_regex=".*backup", name="n", pattern_id="10197", pattern_name="p",
                                          description="d", groups=["all"]), 201)["resources"][0]
        self.life(ioa.query_exclusions, ioa.get_exclusions, ioa.delete_exclusions, made)

    def test_installation_tokens(self):
        made = good(tokens.tokens_create(label="interop", expires_timestamp="2099-01-01T00:00:00Z"), 201)["resources"][0]
        self.assertEqual(good(tokens.tokens_query())["resources"], [made["id"]])
        changed = good(tokens.tokens_update(ids=made["id"], revoked=True))["resources"][0]
        self.assertEqual(changed["status"], "revoked")
        self.assertEqual(good(tokens.tokens_read(ids=made["id"]))["resources"], [changed])
        good(tokens.tokens_delete(ids=made["id"]))
        events = good(tokens.audit_events_read(ids=good(tokens.audit_events_query())["resources"]))["resources"]
        self.assertEqual({e["action"] for e in events}, {"token_create", "token_revoke", "token_delete"})
        self.assertEqual(good(tokens.customer_settings_read())["resources"], [{"max_active_tokens": 10, "tokens_required": False}])
        good(tokens.customer_settings_update(max_active_tokens=3, tokens_required=True))
        self.assertEqual(good(tokens.customer_settings_read())["resources"][0]["max_active_tokens"], 3)
