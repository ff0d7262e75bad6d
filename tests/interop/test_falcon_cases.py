"""falconpy: cases are made, worked on, merged and read back; incidents are gone."""

import unittest

from falconpy import Alerts, CaseManagement, Incidents

from sim import Sim


def setUpModule():
    global sim, alerts, cases
    sim = Sim("--falcon-hosts", "60", "--cortex-tenants", "0", "--alerts", "60")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    alerts = Alerts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    cases = CaseManagement(auth_object=alerts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


class Cases(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")
        self.alerts = good(alerts.query_alerts_v2(limit=4))["resources"]

    def make(self, name="interop"):
        body = {"name": name, "severity": 70, "status": "new", "description": "by a test", "evidence": {"alerts": [{"id": self.alerts[0]}]}}
        return good(cases.create_case(body=body), 201)["resources"][0]

    def test_the_seeded_cases_are_read(self):
        ids = good(cases.query_case_ids(limit=500))["resources"]
        rows = good(cases.get_cases(ids=ids))["resources"]
        self.assertEqual({r["id"] for r in rows}, set(ids))
        self.assertTrue(ids and all(r["evidence"]["alerts"]["records"] for r in rows))

    def test_a_case_is_made_changed_and_merged(self):
        made = self.make()
        changed = good(cases.update_case_fields(body={"id": made["id"], "fields": {"status": "in_progress"}}))["resources"][0]
        self.assertEqual((changed["status"], changed["version"]), ("in_progress", 2))
        self.assertEqual(good(cases.get_cases(ids=[made["id"]]))["resources"], [changed])
        good(cases.add_case_tags(id=made["id"], tags=["a", "b"]))
        left = good(cases.delete_case_tags(id=made["id"], tag=["a"]))["resources"][0]
        self.assertEqual(left["tags"], ["b"])
        more = good(cases.add_case_alert_evidence(id=made["id"], alerts=[{"id": a} for a in self.alerts]))["resources"][0]
        self.assertEqual([r["id"] for r in more["evidence"]["alerts"]["records"]], self.alerts)
        other = self.make("other")
        good(cases.entities_merge_post_v1(source_id=made["id"], destination_id=other["id"]))
        both = {r["id"]: r for r in good(cases.get_cases(ids=[made["id"], other["id"]]))["resources"]}
        self.assertEqual(both[made["id"]]["status"], "closed")
        self.assertEqual(len(both[other["id"]]["evidence"]["alerts"]["records"]), len(self.alerts))
        self.assertTrue([e for e in sim.log("falcon-1") if e["operation"] == "entities.merge.post.v1"])

    def test_incidents_are_gone(self):
        gone = Incidents(auth_object=alerts)
        for call in (gone.query_incidents, gone.query_behaviors, gone.crowdscore):
            self.assertEqual(call()["status_code"], 404)
