"""falconpy: quarantined files are released, and scans run their course."""

import unittest
from datetime import timedelta

from falconpy import ODS, Hosts, Quarantine

from sim import Sim


def setUpModule():
    global sim, hosts, quarantine, ods
    sim = Sim("--falcon-hosts", "60", "--cortex-tenants", "0", "--alerts", "200")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    quarantine, ods = Quarantine(auth_object=hosts), ODS(auth_object=hosts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


class Files(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")

    def states(self, ids):
        return {r["id"]: r["state"] for r in good(quarantine.get_quarantine_files(ids=ids))["resources"]}

    def test_a_file_is_released_and_taken_away_again(self):
        ids = good(quarantine.query_quarantine_files(filter="*", limit=500))["resources"]
        self.assertTrue(len(ids) > 5 and all(len(i) == 32 + 1 + 64 for i in ids))
        good(quarantine.update_quarantined_detects_by_id(action="release", ids=ids[:2], comment="harmless"))
        self.assertEqual(set(self.states(ids[:2]).values()), {"release_pending"})
        sim.advance("10m")
        self.assertEqual(set(self.states(ids[:2]).values()), {"released"})
        self.assertEqual(set(self.states(ids[2:]).values()), {"quarantined"})
        good(quarantine.update_quarantined_detects_by_query(action="unrelease", filter="state:'released'"))
        sim.advance("10m")
        self.assertEqual(set(self.states(ids).values()), {"quarantined"})
        self.assertEqual(len([e for e in sim.log("falcon-1") if e["operation"].startswith("Update")]), 4)

    def test_counts(self):
        total = good(quarantine.query_quarantine_files(filter="*"))["meta"]["pagination"]["total"]
        told = good(quarantine.action_update_count(filter="*"))["resources"]
        self.assertEqual({r["name"]: r["buckets"][0]["count"] for r in told}, {"release": total, "unrelease": 0, "delete": total})
        body = {"name": "states", "type": "terms", "field": "state"}
        rows = good(quarantine.get_aggregate_files(body=body))["resources"]
        self.assertEqual(rows[0]["buckets"], [{"label": "quarantined", "count": total}])


class Scans(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")
        self.hosts = good(hosts.query_devices_by_filter(limit=12))["resources"]

    def scan(self, i):
        return good(ods.get_scans_v1(ids=i))["resources"][0]

    def test_a_scan_runs_its_course(self):
        made = good(ods.create_scan(file_paths=["C:\\*"], hosts=self.hosts, cpu_priority=2, quarantine=True), 201)["resources"][0]
        self.assertEqual((made["status"], made["targeted_host_count"]), ("pending", len(self.hosts)))
        sim.advance("45s")
        self.assertEqual(self.scan(made["id"])["status"], "running")
        sim.advance("10m")
        done = self.scan(made["id"])
        self.assertEqual((done["status"], len(done["metadata"])), ("completed", len(self.hosts)))
        of_it = {"filter": f"scan_id:'{made['id']}'", "sort": "last_updated|desc"}
        parts = good(ods.query_scan_hosts(**of_it))["resources"]
        self.assertEqual(len(good(ods.get_scan_hosts(ids=parts))["resources"]), len(self.hosts))
        files = good(ods.query_malicious_files(**of_it))["resources"]
        self.assertEqual(len(files), done["filecount"]["malicious"])
        counts = good(ods.aggregate_scans(body=[{"name": "s", "type": "terms", "field": "status"}]))["resources"]
        self.assertEqual(counts[0]["buckets"], [{"label": "completed", "count": 1}])

    def test_a_scan_is_cancelled(self):
        made = good(ods.create_scan(file_paths=["/*"], hosts=self.hosts), 201)["resources"][0]
        self.assertEqual(good(ods.cancel_scans(ids=[made["id"]]))["resources"], [made["id"]])
        sim.advance("10m")
        self.assertEqual(self.scan(made["id"])["status"], "canceled")

    def test_a_scan_is_planned(self):
        start = (sim.now() + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"file_paths": ["/*"], "hosts": self.hosts, "schedule": {"start_timestamp": start, "interval": 0}}
        plan = good(ods.schedule_scan(body=body), 201)["resources"][0]
        listed = {"filter": "deleted:false", "sort": "created_on|desc"}
        self.assertEqual(good(ods.query_scheduled_scans(**listed))["resources"], [plan["id"]])
        self.assertEqual(good(ods.get_scheduled_scans(ids=plan["id"]))["resources"], [plan])
        sim.advance("15m")
        self.assertEqual(len(good(ods.query_scans(filter="status:!'failed'", sort="created_on|desc"))["resources"]), 1)
        self.assertEqual(good(ods.delete_scheduled_scans(ids=plan["id"]))["resources"], [plan["id"]])
        self.assertEqual(ods.query_scans(sort="created_on|desc")["status_code"], 400)
