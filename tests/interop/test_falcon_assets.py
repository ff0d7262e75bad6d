"""falconpy: assets and vulnerabilities are listed, walked and read by id."""

import unittest

from falconpy import Discover, Hosts, SpotlightEvaluationLogic, SpotlightVulnerabilities

from sim import Sim

HOSTS = 90
LONG_AGO = "'2000-01-01T00:00:00Z'"


def setUpModule():
    global sim, hosts, assets, spotlight, logic
    sim = Sim("--falcon-hosts", str(HOSTS), "--cortex-tenants", "0", "--alerts", "10")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    assets, spotlight = Discover(auth_object=hosts), SpotlightVulnerabilities(auth_object=hosts)
    logic = SpotlightEvaluationLogic(auth_object=hosts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def walk(call, **asked):
    """All rows of a listing by `after`."""
    rows, after = [], None
    while True:
        body = good(call(**asked, **({"after": after} if after else {})))
        rows += body["resources"]
        after = body["meta"]["pagination"].get("after")
        if not after:
            if len(rows) != body["meta"]["pagination"]["total"]:
                raise AssertionError(f"{len(rows)} of {body['meta']['pagination']}")
            return rows


class Assets(unittest.TestCase):
    def test_every_device_is_an_asset(self):
        devices = set(good(hosts.query_devices_by_filter(limit=500))["resources"])
        rows = walk(assets.query_combined_hosts, filter="entity_type:'managed'", limit=40)
        self.assertEqual({r["aid"] for r in rows}, devices)
        ids = good(assets.query_hosts(filter="entity_type:'unmanaged'", limit=100))["resources"]
        full = good(assets.get_hosts(ids=ids))["resources"]
        self.assertTrue(ids and all("aid" not in r and r["last_discoverer_aid"] in devices for r in full))

    def test_facets_bring_parts(self):
        plain = good(assets.query_combined_applications(filter="name:'sudo'"))["resources"]
        self.assertTrue(plain and all("host" not in r for r in plain))
        more = good(assets.query_combined_applications(filter="name:'sudo'", facet=["host_info", "install_usage"]))["resources"]
        self.assertTrue(all(r["host"]["platform_name"] == "Linux" and "last_used_timestamp" in r for r in more))

    def test_applications_accounts_and_logins_are_read_by_id(self):
        for query, get in [(assets.query_applications, assets.get_applications), (assets.query_accounts, assets.get_accounts),
                           (assets.query_logins, assets.get_logins)]:
            ids = good(query(limit=20))["resources"]
            rows = good(get(ids=ids))["resources"]
            self.assertEqual({r["id"] for r in rows}, set(ids))

    def test_the_rules_are_kept(self):
        self.assertEqual(assets.query_combined_hosts(filter="")["status_code"], 400)
        beyond = assets.query_applications(offset=9_990, limit=20)
        self.assertEqual(beyond["status_code"], 400)
        self.assertIn("less than or equal to 10000", beyond["body"]["errors"][0]["message"])


class Vulnerabilities(unittest.TestCase):
    def test_a_walk_has_every_vulnerability_once(self):
        rows = walk(spotlight.query_vulnerabilities_combined, filter=f"created_timestamp:>{LONG_AGO}", limit=50, facet=["cve", "host_info"])
        self.assertEqual(len({r["id"] for r in rows}), len(rows))
        self.assertTrue(all(r["cve"]["id"].startswith("CVE-") and r["host_info"]["hostname"] for r in rows))
        ids = walk(spotlight.query_vulnerabilities, filter=f"created_timestamp:>{LONG_AGO}", limit=300)
        self.assertEqual({r["id"] for r in rows}, set(ids))
        full = good(spotlight.get_vulnerabilities(ids=ids[:30]))["resources"]
        self.assertEqual({r["id"] for r in full}, set(ids[:30]))
        fixes = {i for r in full for i in r["remediation"]["ids"]}
        self.assertEqual({r["id"] for r in good(spotlight.get_remediations_v2(ids=list(fixes)))["resources"]}, fixes)

    def test_filters_narrow(self):
        grave = good(spotlight.query_vulnerabilities_combined(filter="cve.severity:'CRITICAL'+status:'open'", facet="cve"))["resources"]
        self.assertTrue(grave and all(r["cve"]["base_score"] >= 9 and r["status"] == "open" for r in grave))
        self.assertEqual(spotlight.query_vulnerabilities_combined(filter="cve.id:*'CVE*'")["status_code"], 400)

    def test_a_page_key_dies(self):
        first = good(spotlight.query_vulnerabilities(filter="status:'open'", limit=2))
        sim.advance("3m")
        late = spotlight.query_vulnerabilities(filter="status:'open'", limit=2, after=first["meta"]["pagination"]["after"])
        self.assertEqual((late["status_code"], late["body"]["resources"]), (404, []))

    def test_evaluation_logic(self):
        ids = good(logic.query_evaluation_logic(filter=f"created_timestamp:>{LONG_AGO}", limit=5))["resources"]
        rows = good(logic.get_evaluation_logic(ids=ids))["resources"]
        self.assertEqual({r["id"] for r in rows}, set(ids))
        whole = good(logic.query_evaluation_logic_combined(filter=f"created_timestamp:>{LONG_AGO}", limit=5))["resources"]
        self.assertEqual([r["id"] for r in whole], ids)
