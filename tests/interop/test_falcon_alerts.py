"""falconpy: alerts by query, by id and combined; filters and orders against an evaluation in Python."""

import unittest
from collections import Counter
from datetime import datetime, timedelta

from falconpy import Alerts

from sim import Sim

ALERTS = 1200


def setUpModule():
    global sim, falcon, alerts, everything
    sim = Sim("--falcon-hosts", "300", "--cortex-tenants", "0", "--alerts", str(ALERTS))
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    alerts = Alerts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    everything = {a["composite_id"]: a for a in combined()}


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def combined(limit=400, **more):
    found, after = [], {}
    while True:
        body = good(alerts.get_alerts_combined(limit=limit, **after, **more))
        found += body["resources"]
        if not body["meta"]["pagination"].get("after"):
            return found
        after = {"after": body["meta"]["pagination"]["after"]}


def query(limit=1000, **more):
    found = []
    while True:
        body = good(alerts.query_alerts_v2(limit=limit, offset=len(found), **more))
        found += body["resources"]
        if len(found) >= body["meta"]["pagination"]["total"]:
            return found


def when(text):
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00")


class Lists(unittest.TestCase):
    def test_combined_and_query_are_the_same_set(self):
        with sim.counting("falcon-1", PostCombinedAlertsV1=3, QueryV2=2):
            rows, ids = combined(limit=400), query(limit=1000)
        found = [a["composite_id"] for a in rows]
        self.assertEqual((len(found), len(set(found))), (ALERTS, ALERTS))
        self.assertEqual(Counter(ids), Counter(found))
        created = [a["created_timestamp"] for a in rows]
        self.assertEqual([c[:23] for c in created], sorted((c[:23] for c in created), reverse=True), "newest first is the default")

    def test_ids_have_the_vendors_form(self):
        for composite, alert in everything.items():
            cid, kind, aid, rest = composite.split(":")
            self.assertEqual((cid, len(aid), len(rest.split("-"))), (alert["cid"], 32, 3))
            self.assertIn(kind, ("ind", "ods"))
            self.assertEqual(alert["id"], f"{kind}:{aid}:{rest}")

    def test_limits(self):
        self.assertEqual(len(good(alerts.get_alerts_combined(limit=1000))["resources"]), 1000)
        self.assertEqual(alerts.get_alerts_combined(limit=1001)["status_code"], 400)
        self.assertEqual(len(good(alerts.query_alerts_v2(limit=10000))["resources"]), ALERTS)
        self.assertEqual(len(good(alerts.query_alerts_v2())["resources"]), 100)
        self.assertEqual(alerts.query_alerts_v2(limit=10001)["status_code"], 400)

    def test_the_first_version_of_the_query_is_retired(self):
        self.assertEqual(alerts.query_alerts_v1()["status_code"], 400)

    def test_alerts_that_arrive_while_pages_are_read(self):
        self.addCleanup(sim.call, "POST", "reset")
        sort = "created_timestamp|asc"
        first = good(alerts.get_alerts_combined(limit=700, sort=sort))
        sim.add_alerts("falcon-1", 25)
        rows, after = first["resources"], first["meta"]["pagination"]["after"]
        while after:
            body = good(alerts.get_alerts_combined(limit=700, sort=sort, after=after))
            rows, after = rows + body["resources"], body["meta"]["pagination"].get("after")
        self.assertEqual(len({a["composite_id"] for a in rows}), ALERTS + 25)
        self.assertEqual(len(rows), ALERTS + 25, "none twice")


class Entities(unittest.TestCase):
    def test_by_id_gives_what_combined_gave_in_an_order_of_its_own(self):
        ids = list(everything)[:1000]
        rows = good(alerts.get_alerts_v2(composite_ids=ids))["resources"]
        self.assertEqual(len(rows), len(ids))
        for alert in rows:
            self.assertEqual(alert, everything[alert["composite_id"]])
        self.assertNotEqual([a["composite_id"] for a in rows], ids)

    def test_unknown_ids_are_errors_beside_the_others(self):
        known = list(everything)[:2]
        body = good(alerts.get_alerts_v2(composite_ids=known + ["no:such:alert"]))
        self.assertEqual({a["composite_id"] for a in body["resources"]}, set(known))
        self.assertEqual([(e["code"], e["id"]) for e in body["errors"]], [(404, "no:such:alert")])

    def test_more_than_a_thousand_are_too_large(self):
        answer = alerts.get_alerts_v2(composite_ids=list(everything)[:1001])
        self.assertEqual((answer["status_code"], answer["body"]["errors"][0]["message"]), (413, "request too large"))


def leaves(alert):
    """Field → values, with those of the device below `device.`; structures have no values."""
    found = {}
    for prefix, part in (("", alert), ("device.", alert.get("device", {}))):
        for key, value in part.items():
            listed = value if isinstance(value, list) else [value]
            kept = [v for v in listed if v not in (None, "") and not isinstance(v, (dict, list))]
            if kept:
                found[prefix + key] = kept
    return found


def same(one, other):
    """Texts without regard to case; times by the millisecond."""
    if isinstance(one, str) and isinstance(other, str):
        return one[:23] == other[:23] if one[4:5] == "-" and one.endswith("Z") else one.lower() == other.lower()
    return one == other


def quoted(value):
    """A value as FQL writes it: a backslash escapes."""
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def filters():
    now = sim.now()
    sample = list(everything.values())
    middle = sorted(a["created_timestamp"] for a in sample)[ALERTS // 2][:19] + "Z"
    host = next(a["device"]["hostname"] for a in sample if "device" in a)
    high = lambda a: a["severity"] >= 60  # noqa: E731
    return {
        "status:'new'": lambda a: a["status"] == "new",
        "status:['new','reopened']": lambda a: a["status"] in ("new", "reopened"),
        "status:!'closed'": lambda a: a["status"] != "closed",
        "severity:>=60": high,
        "severity:<20": lambda a: a["severity"] < 20,
        "severity_name:'High'": lambda a: a["severity_name"] == "High",
        "severity_name:'high'": lambda a: a["severity_name"] == "High",
        "product:'epp'": lambda a: a["product"] == "epp",
        "product:!'epp'+severity:>40": lambda a: a["product"] != "epp" and a["severity"] > 40,
        "type:'ldt'": lambda a: a["type"] == "ldt",
        f"created_timestamp:>'{middle}'": lambda a: when(a["created_timestamp"]) > when(middle),
        f"created_timestamp:<='{middle}'": lambda a: when(a["created_timestamp"]) <= when(middle),
        "created_timestamp:>'now-3d'": lambda a: when(a["created_timestamp"]) > now - timedelta(days=3),
        f"device.hostname:'{host}'": lambda a: a.get("device", {}).get("hostname") == host,
        "tactic:'Execution',tactic:'Persistence'": lambda a: a["tactic"] in ("Execution", "Persistence"),
        "(status:'new',status:'in_progress')+severity:>=60": lambda a: a["status"] in ("new", "in_progress") and high(a),
        "filename:'*.exe'": lambda a: a.get("filename", "").lower().endswith(".exe"),
        f"composite_id:'{sample[5]['composite_id']}'": lambda a: a["composite_id"] == sample[5]["composite_id"],
    }


class Filters(unittest.TestCase):
    def test_filters_mean_what_python_says(self):
        for text, holds in filters().items():
            with self.subTest(text):
                expected = Counter(i for i, a in everything.items() if holds(a))
                self.assertTrue(0 < len(expected) < ALERTS, f"it passes {len(expected)}: that proves little")
                self.assertEqual(Counter(a["composite_id"] for a in combined(limit=1000, filter=text)), expected, "combined")
                self.assertEqual(Counter(query(limit=5000, filter=text)), expected, "query")

    def test_every_property_finds_what_the_entity_says(self):
        asked = set()
        held_by = {i: leaves(a) for i, a in everything.items()}
        for field in sorted({k for held in held_by.values() for k in held}):
            held = Counter(v for fields in held_by.values() for v in fields.get(field, []))
            for value, _ in held.most_common(1) + held.most_common()[-1:]:
                with self.subTest(f"{field}:'{value}'"):
                    answer = alerts.query_alerts_v2(filter=f"{field}:{quoted(value)}", limit=5000)
                    if answer["status_code"] == 400:
                        continue
                    asked.add(field)
                    expected = {i for i, fields in held_by.items() if any(same(v, value) for v in fields.get(field, []))}
                    self.assertEqual(set(good(answer)["resources"]), expected)
        self.assertGreater(len(asked), 45, "few properties of the entity can be filtered")

    def test_free_text(self):
        expected = {i for i, a in everything.items() if "powershell" in (a["name"] + a["description"] + a.get("cmdline", "") + a.get("filename", "")).lower()}
        self.assertTrue(0 < len(expected) < ALERTS)
        self.assertEqual(set(query(limit=5000, q="powershell")), expected)

    def test_what_cannot_be_read_is_refused(self):
        for text in ("severity:>'high'", "status:", "status:'new'+", "no_such_property:'x'"):
            self.assertEqual(alerts.query_alerts_v2(filter=text)["status_code"], 400, text)
            self.assertEqual(alerts.get_alerts_combined(filter=text)["status_code"], 400, text)


class Orders(unittest.TestCase):
    def test_orders_are_what_python_sorts(self):
        for field in ("created_timestamp", "updated_timestamp", "severity", "status", "composite_id", "product"):
            for sort, reverse in ((f"{field}|asc", False), (f"{field}|desc", True), (f"{field}.asc", False)):
                with self.subTest(sort):
                    # Times are ordered by the millisecond.
                    key = [a[field][:23] if field.endswith("timestamp") else a[field] for a in combined(limit=1000, sort=sort)]
                    self.assertEqual(len(key), ALERTS)
                    self.assertEqual(key, sorted(key, reverse=reverse))
