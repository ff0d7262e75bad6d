"""cortex-xdr-client over TLS: both generations of the product, both kinds of key.

That client forces `https://api-<host>`. With `--tls` each tenant answers at `api-NAME.localhost`, which the guard
resolves, with a certificate of the authority that the ready line names.
"""

import os
import time
import unittest
from collections import Counter

import pydantic
import requests
from cortex_xdr_client.api.authentication import Authentication, AuthenticationType
from cortex_xdr_client.api.models.endpoints import EndpointPlatform, EndpointStatus, IsolateStatus
from cortex_xdr_client.api.models.incidents import IncidentStatus
from cortex_xdr_client.api.operation import UNSET
from cortex_xdr_client.api.version import APIVersion
from cortex_xdr_client.client import CortexXDRClient

from sim import Sim

HOSTS, ALERTS = 350, 260


class Tenant(unittest.TestCase):
    """One tenant of one generation, with one kind of key; the tests of both generations are here."""

    generation, key_type = 3, "advanced"
    more = ("--enforce-limits", "off")
    hosts = HOSTS

    @classmethod
    def setUpClass(cls):
        cls.sim = Sim("--tls", "--falcon-tenants", "0", "--cortex-hosts", str(cls.hosts), "--alerts", str(ALERTS), "--sensor-delay", "30s",
                      "--cortex-generation", str(cls.generation), "--key-type", cls.key_type, *cls.more)
        cls.addClassCleanup(cls.sim.stop)
        cls.tenant = cls.sim["cortex-1"]
        os.environ["REQUESTS_CA_BUNDLE"] = cls.sim.ca
        cls.addClassCleanup(os.environ.pop, "REQUESTS_CA_BUNDLE")
        cls.client = cls.connect(cls.auth())

    @classmethod
    def auth(cls, key=None, id=None, kind=None):
        kind = kind or cls.key_type
        return Authentication(key or cls.tenant.api_key, int(id or cls.tenant.api_key_id), AuthenticationType[kind.upper()])

    @classmethod
    def connect(cls, auth, generation=None):
        return CortexXDRClient(auth, cls.tenant.fqdn, api_version=APIVersion(generation or cls.generation))

    def setUp(self):
        self.addCleanup(self.sim.call, "POST", "reset")

    def refused(self, status, call, *args, **more):
        with self.assertRaises(requests.HTTPError) as caught:
            call(*args, **more)
        self.assertEqual(caught.exception.response.status_code, status)
        return caught.exception.response.json()


def pages(page, size=100):
    """All items of a listing by offset: `page` gives (items, total)."""
    found, totals = [], set()
    while True:
        items, total = page(len(found), len(found) + size)
        found += items
        totals.add(total)
        if len(items) < size:
            return found, totals


class Endpoints:
    """On every kind of tenant."""

    def everyone(self, **filters):
        def page(start, end):
            reply = self.client.endpoints_api.get_endpoint(search_from=start, search_to=end, **filters).reply
            self.assertEqual(reply.result_count, len(reply.endpoints))
            return reply.endpoints, reply.total_count
        found, totals = pages(page)
        self.assertEqual(totals, {len(found)}, "the total is the number that comes")
        return found

    def test_both_lists_have_every_endpoint_once(self):
        with self.sim.counting("cortex-1", **{"v1/endpoints/get_endpoints": 1, "v1/endpoints/get_endpoint": 4}):
            light = self.client.endpoints_api.get_all_endpoints().reply
            full = self.everyone()
        self.assertEqual((len(light), len({e.agent_id for e in light})), (HOSTS, HOSTS))
        self.assertEqual(Counter(e.agent_id for e in light), Counter(e.endpoint_id for e in full))
        by_id = {e.endpoint_id: e for e in full}
        for row in light:
            self.assertEqual(row.host_name, by_id[row.agent_id].endpoint_name)
            self.assertEqual(row.agent_status, by_id[row.agent_id].endpoint_status.value)
        seen = [e.first_seen for e in full]
        self.assertEqual(seen, sorted(seen, reverse=True), "the default order is first_seen, newest first")

    def test_filters_mean_what_python_says(self):
        full = self.everyone()
        one, middle = full[17], sorted(e.first_seen for e in full)[HOSTS // 2]
        recent = sorted(e.last_seen for e in full)[HOSTS * 3 // 4]
        group = next(e.group_name[0] for e in full if e.group_name)
        cases = [
            ({"endpoint_status": [EndpointStatus.connected]}, lambda e: e.endpoint_status is EndpointStatus.connected),
            ({"endpoint_status": [EndpointStatus.disconnected, EndpointStatus.lost]}, lambda e: e.endpoint_status in (EndpointStatus.disconnected, EndpointStatus.lost)),
            ({"platform": [EndpointPlatform.windows]}, lambda e: e.os_type is EndpointPlatform.windows),
            ({"platform": [EndpointPlatform.linux, EndpointPlatform.mac]}, lambda e: e.os_type in (EndpointPlatform.linux, EndpointPlatform.mac)),
            ({"hostname": [one.endpoint_name]}, lambda e: e.endpoint_name == one.endpoint_name),
            ({"endpoint_id_list": [one.endpoint_id, full[3].endpoint_id, "0" * 32]}, lambda e: e.endpoint_id in (one.endpoint_id, full[3].endpoint_id)),
            ({"ip_list": one.ip}, lambda e: set(one.ip) & set(e.ip or [])),
            ({"group_name": [group]}, lambda e: group in e.group_name),
            ({"isolate": [IsolateStatus.isolated]}, lambda e: e.is_isolated is IsolateStatus.isolated),
            ({"isolate": [IsolateStatus.unisolated]}, lambda e: e.is_isolated is IsolateStatus.unisolated),
            ({"first_seen": middle, "after_first_seen": True}, lambda e: e.first_seen >= middle),
            ({"first_seen": middle, "after_first_seen": False}, lambda e: e.first_seen <= middle),
            ({"platform": [EndpointPlatform.windows], "first_seen": middle, "after_first_seen": True},
             lambda e: e.os_type is EndpointPlatform.windows and e.first_seen >= middle),
            ({"username": [one.users[0]] if one.users else []}, lambda e: bool(one.users) and one.users[0] in (e.users or [])),
        ]
        for filters, holds in cases:
            with self.subTest(filters):
                expected = {e.endpoint_id for e in full if holds(e)}
                self.assertTrue(0 < len(expected) < HOSTS, f"it passes {len(expected)}: that proves little")
                self.assertEqual(Counter(e.endpoint_id for e in self.everyone(**filters)), Counter(expected))

    def test_orders(self):
        for field in ("first_seen", "last_seen", "endpoint_id"):
            for keyword, reverse in (("asc", False), ("desc", True)):
                rows = [getattr(e, field) for e in self.everyone(sort={"field": field, "keyword": keyword})]
                if field == "endpoint_id":
                    self.assertEqual(len(set(rows)), HOSTS)
                else:
                    self.assertEqual(rows, sorted(rows, reverse=reverse))

    def test_a_page_of_more_than_a_hundred_is_refused(self):
        body = self.refused(500, self.client.endpoints_api.get_endpoint, search_from=0, search_to=101)
        self.assertIn("err_code", body["reply"])

    def one(self, id):
        [found] = self.client.endpoints_api.get_endpoint(endpoint_id_list=[id]).reply.endpoints
        return found

    def free(self, status, n=1):
        return [e.endpoint_id for e in self.everyone() if e.endpoint_status is status and e.is_isolated is IsolateStatus.unisolated][:n]

    def action(self, reply):
        status = self.client.actions_api.get_action_status(int(reply.action_id)).reply.data
        return status.root

    def test_isolate_and_release_with_the_clock(self):
        ids = self.free(EndpointStatus.connected, 3)
        reply = self.client.endpoints_api.isolate_endpoints(ids).reply
        self.assertEqual(reply.endpoints_count, 3)
        self.assertEqual(self.action(reply), {}, "the first answer for a new action is empty")
        self.assertEqual(self.action(reply), {i: "PENDING" for i in ids})
        self.assertEqual([self.one(i).is_isolated for i in ids], [IsolateStatus.pending_isolation] * 3)
        self.sim.advance("31s")
        self.assertEqual(self.action(reply), {i: "COMPLETED_SUCCESSFULLY" for i in ids})
        self.assertEqual([self.one(i).is_isolated for i in ids], [IsolateStatus.isolated] * 3)
        self.assertLessEqual(set(ids), {e.endpoint_id for e in self.everyone(isolate=[IsolateStatus.isolated])})
        back = self.client.endpoints_api.unisolate_endpoints(ids[:1]).reply
        self.sim.advance("31s")
        self.action(back)
        self.assertEqual(self.action(back), {ids[0]: "COMPLETED_SUCCESSFULLY"})
        self.assertEqual([self.one(i).is_isolated for i in ids], [IsolateStatus.unisolated] + [IsolateStatus.isolated] * 2)
        log = Counter((e["operation"], e["target"]) for e in self.sim.log("cortex-1"))
        self.assertEqual(log, Counter([("v1/endpoints/isolate", i) for i in ids] + [("v1/endpoints/unisolate", ids[0])]))

    def test_an_endpoint_that_is_away_stays_pending(self):
        [id] = self.free(EndpointStatus.disconnected)
        reply = self.client.endpoints_api.isolate_endpoints([id]).reply
        self.action(reply)
        self.sim.advance("2h")
        self.assertEqual(self.action(reply), {id: "PENDING"})
        self.sim.online("cortex-1", id, True)
        self.sim.advance("1m")
        self.assertEqual(self.action(reply), {id: "COMPLETED_SUCCESSFULLY"})

    def test_one_that_cannot_refuses_all(self):
        ids = self.free(EndpointStatus.connected, 3)
        self.client.endpoints_api.isolate_endpoints(ids[:1])
        body = self.refused(500, self.client.endpoints_api.isolate_endpoints, ids)
        self.assertIn("already pending", str(body["reply"]))
        self.refused(500, self.client.endpoints_api.isolate_endpoints, [ids[1], "0" * 32])
        self.assertEqual(len(self.sim.log("cortex-1")), 1)
        self.assertEqual([self.one(i).is_isolated for i in ids[1:]], [IsolateStatus.unisolated] * 2)

    def test_an_alias_and_tags_are_read_back(self):
        ids = [e.endpoint_id for e in self.everyone()][4:7]
        self.assertIs(self.client.endpoints_api.set_endpoint_alias("interop", endpoint_id_list=ids).reply, True)
        self.assertEqual([self.one(i).alias for i in ids], ["interop"] * 3)
        self.assertEqual({e.endpoint_id for e in self.everyone(alias=["interop"])}, set(ids))
        filters = [{"field": "endpoint_id_list", "operator": "in", "value": ids[:2]}]
        before = {i: self.one(i).tags for i in ids}
        self.assertIs(self.client.tags_api.agents_assign(filters=filters, tag="interop")["reply"], True)
        grown = {i: "interop" in str(self.one(i).tags) for i in ids}
        self.assertEqual(grown, {ids[0]: True, ids[1]: True, ids[2]: False})
        self.assertIs(self.client.tags_api.agents_remove(filters=filters, tag="interop")["reply"], True)
        self.assertEqual({i: self.one(i).tags for i in ids}, before)
        log = Counter((e["operation"], e["target"]) for e in self.sim.log("cortex-1"))
        self.assertEqual(log, Counter([("v1/endpoints/update_agent_name", i) for i in ids]
                                      + [(f"v1/tags/agents/{verb}", i) for verb in ("assign", "remove") for i in ids[:2]]))

    def test_health_and_licence(self):
        self.assertEqual(self.client.system_api.healthcheck(), {"status": "available"})
        info = self.client.system_api.get_tenant_info()["reply"]
        self.assertEqual(info["data_enabled_pro_per_endpoint"], HOSTS)
        quota = self.client.xql_api.get_quota()["reply"]
        self.assertEqual((quota["license_quota"], quota["used_quota"]), (5, 0.0))


class Refusals:
    """Who may not in."""

    def ask(self, auth):
        self.connect(auth).endpoints_api.get_endpoint(search_from=0, search_to=1)

    def unauthorized(self, auth):
        body = self.refused(401, self.ask, auth)
        self.assertEqual(body["reply"]["err_code"], 401)

    def test_a_wrong_key_and_a_wrong_number(self):
        self.ask(self.auth())
        self.unauthorized(self.auth(key="x" * 128))
        self.unauthorized(self.auth(id=999))

    def test_a_key_used_as_the_other_kind(self):
        self.unauthorized(self.auth(kind="standard" if self.key_type == "advanced" else "advanced"))

    def test_the_paths_of_the_other_generation_are_not_there(self):
        other = self.connect(self.auth(), 8 - self.generation)
        call = other.issues_api.get_issues if self.generation == 3 else other.incidents_api.get_incidents
        self.refused(404, call)


class Signed(Authentication):
    """An advanced key whose headers are changed before they are sent; the signature holds for what was signed."""

    change = staticmethod(lambda headers: headers)

    def get_headers(self):
        return self.change(super().get_headers())


class SignatureRefusals:
    def changed(self, change):
        auth = Signed(self.tenant.api_key, int(self.tenant.api_key_id), AuthenticationType.ADVANCED)
        auth.change = change
        return auth

    def test_a_wrong_signature(self):
        self.ask(self.changed(lambda h: h))
        for name in ("Authorization", "x-xdr-nonce", "x-xdr-timestamp"):
            with self.subTest(name):
                self.unauthorized(self.changed(lambda h: {**h, name: h[name][:-1] + ("1" if h[name][-1] != "1" else "2")}))
        self.unauthorized(self.changed(lambda h: {k: v for k, v in h.items() if k != "x-xdr-nonce"}))

    def test_a_clock_that_is_off(self):
        import hashlib

        def at(offset):
            def sign(headers):
                stamp = str(int(headers["x-xdr-timestamp"]) + offset * 1000)
                text = self.tenant.api_key + headers["x-xdr-nonce"] + stamp
                return {**headers, "x-xdr-timestamp": stamp, "Authorization": hashlib.sha256(text.encode()).hexdigest()}
            return self.changed(sign)
        self.ask(at(0))
        self.ask(at(-60))
        self.unauthorized(at(-3600))
        self.unauthorized(at(3600))


# What the client's models of alerts and incidents refuse, although the vendor's replies hold it (facts 5.3 and 5.4):
# severities and statuses that its enums lack, and numbers and booleans where it insists on text.
MODEL_GAPS = {
    ("alerts", "severity", "informational"), ("incidents", "status", "resolved_true_positive"),
    ("incidents", "status", "resolved_security_testing"), ("incidents", "status", "resolved_duplicate"),
    *(("alerts", field, "string_type") for field in (
        "action_local_port", "action_remote_port", "actor_process_os_pid", "agent_host_boot_time", "agent_is_vdi",
        "association_strength", "causality_actor_process_execution_time", "os_actor_process_os_pid",
        "agent_data_collection_status", "attempt_counter", "event_timestamp")),
}


class Alerts3:
    """Alerts and incidents, which XDR 3 has; by the client's operations that return the JSON as it came."""

    def page(self, call, key):
        def page(start, end):
            reply = call(start, end)["reply"]
            self.assertEqual(reply["result_count"], len(reply[key]))
            return reply[key], reply["total_count"]
        found, totals = pages(page)
        self.assertEqual(totals, {len(found)})
        return found

    def alerts(self, filters=UNSET, sort=UNSET):
        return self.page(lambda start, end: self.client.alerts_api.get_alerts_multi_events_v1(
            filters=filters, search_from=start, search_to=end, sort=sort), "alerts")

    def flat(self, filters=UNSET):
        return self.page(lambda start, end: self.client.alerts_api.get_alerts_request(filters=filters, search_from=start, search_to=end), "alerts")

    def incidents(self, filters=UNSET):
        return self.page(lambda start, end: self.client.incidents_api.get_incidents_request(filters=filters, search_from=start, search_to=end), "incidents")

    def test_the_lists_have_every_alert_once(self):
        ids = [str(a["alert_id"]) for a in self.alerts()]
        self.assertEqual((len(ids), len(set(ids))), (ALERTS, ALERTS))
        self.assertEqual(Counter(str(a["alert_id"]) for a in self.flat()), Counter(ids))
        second = self.client.alerts_api.get_alerts_multi_events()["reply"]
        self.assertEqual((len(second["alerts"]), second["total_count"]), (100, ALERTS))
        self.assertLessEqual({str(a["alert_id"]) for a in second["alerts"]}, set(ids))
        self.assertEqual(len(self.client.alerts_api.get_alerts_request()["reply"]["alerts"]), 100, "the default")

    def test_filters_of_alerts_mean_what_python_says(self):
        rows = self.alerts()
        middle = sorted(a["detection_timestamp"] for a in rows)[ALERTS // 2]
        some = [int(a["alert_id"]) for a in rows[5:9]]
        for field, operator, value, holds in (
            ("severity", "in", ["high"], lambda a: a["severity"] == "high"),
            ("severity", "in", ["high", "medium"], lambda a: a["severity"] in ("high", "medium")),
            ("severity", "in", ["informational"], lambda a: a["severity"] == "informational"),
            ("alert_id_list", "in", some, lambda a: int(a["alert_id"]) in some),
            ("alert_source", "in", [rows[0]["source"]], lambda a: a["source"] == rows[0]["source"]),
            ("creation_time", "gte", middle, lambda a: a["detection_timestamp"] >= middle),
            ("creation_time", "lte", middle, lambda a: a["detection_timestamp"] <= middle),
        ):
            with self.subTest((field, operator, value)):
                expected = Counter(str(a["alert_id"]) for a in rows if holds(a))
                self.assertTrue(0 < len(expected) < ALERTS)
                filters = [{"field": field, "operator": operator, "value": value}]
                self.assertEqual(Counter(str(a["alert_id"]) for a in self.alerts(filters)), expected)
                self.assertEqual(Counter(str(a["alert_id"]) for a in self.flat(filters)), expected)

    def test_orders_of_alerts(self):
        for keyword, reverse in (("asc", False), ("desc", True)):
            times = [a["detection_timestamp"] for a in self.alerts(sort={"field": "creation_time", "keyword": keyword})]
            self.assertEqual(times, sorted(times, reverse=reverse))

    def test_incidents(self):
        found = self.incidents()
        ids = [i["incident_id"] for i in found]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(sum(i["alert_count"] for i in found), ALERTS, "every alert is in one incident")
        times = [i["creation_time"] for i in found]
        self.assertEqual(times, sorted(times, reverse=True))
        new = {i["incident_id"] for i in found if i["status"] == "new"}
        self.assertTrue(0 < len(new) < len(ids))
        for operator, expected in (("eq", new), ("neq", set(ids) - new)):
            rows = self.incidents([{"field": "status", "operator": operator, "value": "new"}])
            self.assertEqual({i["incident_id"] for i in rows}, expected)
        typed = self.client.incidents_api.get_incidents(status=IncidentStatus.NEW, search_from=0, search_to=100).reply
        self.assertEqual({i.incident_id for i in typed.incidents}, new, "its models read what its enums know")
        typed = self.client.incidents_api.get_incidents(incident_id_list=sorted(new)[:2]).reply
        self.assertEqual({i.incident_id for i in typed.incidents}, set(sorted(new)[:2]))

    def test_an_incident_with_its_alerts(self):
        one = max(self.incidents(), key=lambda i: i["alert_count"])
        extra = self.client.incidents_api.get_incident_extra_data_request(incident_id=one["incident_id"], alerts_limit=1000)["reply"]
        self.assertEqual(extra["incident"]["incident_id"], one["incident_id"])
        self.assertEqual(len(extra["alerts"]["data"]), one["alert_count"])
        self.assertLessEqual({str(a["alert_id"]) for a in extra["alerts"]["data"]}, {str(a["alert_id"]) for a in self.flat()})

    def test_changes_of_alerts_are_read_back(self):
        ids = [str(a["alert_id"]) for a in self.flat() if a["severity"] == "low"][:3]
        reply = self.client.alerts_api.update_alerts(alert_id_list=ids, update_data={"severity": "high", "comment": "by a test"})["reply"]
        self.assertEqual(set(reply["alerts_ids"]), set(ids))
        chosen = [{"field": "alert_id_list", "operator": "in", "value": [int(i) for i in ids]}]
        self.assertEqual([a["severity"] for a in self.flat(chosen)], ["high"] * 3)
        self.assertEqual({e["target"] for e in self.sim.log("cortex-1")}, set(ids))
        self.refused(500, self.client.alerts_api.update_alerts, alert_id_list=ids, update_data={"colour": "red"})
        self.refused(500, self.client.alerts_api.update_alerts, alert_id_list=["1"], update_data={"severity": "high"})
        self.assertEqual(len(self.sim.log("cortex-1")), 3)

    def test_changes_of_an_incident_are_read_back(self):
        id = next(i["incident_id"] for i in self.incidents() if i["status"] == "new")
        mail = next(i["assigned_user_mail"] for i in self.incidents() if i["assigned_user_mail"])
        update = {"status": "under_investigation", "assigned_user_mail": mail}
        self.assertIs(self.client.incidents_api.update_incident(incident_id=id, update_data=update)["reply"], True)
        [one] = self.client.incidents_api.get_incidents(incident_id_list=[id]).reply.incidents
        self.assertEqual((one.status, one.assigned_user_mail), (IncidentStatus.UNDER_INVESTIGATION, mail))
        new = {i["incident_id"] for i in self.incidents([{"field": "status", "operator": "eq", "value": "new"}])}
        self.assertNotIn(id, new)
        self.refused(500, self.client.incidents_api.update_incident, incident_id="0", update_data=update)
        stranger = {**update, "assigned_user_mail": "nobody@example.com"}
        self.refused(500, self.client.incidents_api.update_incident, incident_id=id, update_data=stranger)
        self.assertEqual([e["operation"] for e in self.sim.log("cortex-1")], ["v1/incidents/update_incident"])

    def test_what_the_clients_models_refuse_is_known(self):
        incident = self.incidents()[0]["incident_id"]
        gaps = set()
        for name, call in (
            ("alerts", lambda start: self.client.alerts_api.get_alerts(search_from=start, search_to=start + 100)),
            ("incidents", lambda start: self.client.incidents_api.get_incidents(search_from=start, search_to=start + 100)),
            ("alerts", lambda _: self.client.incidents_api.get_incident_extra_data(incident)),
        ):
            for start in (0, 100, 200):
                try:
                    call(start)
                except pydantic.ValidationError as refused:
                    gaps |= {(name, e["loc"][-1], e["input"] if e["type"] == "enum" else e["type"]) for e in refused.errors()}
        self.assertEqual(gaps - MODEL_GAPS, set())


class Issues5:
    """Issues and cases, which XDR 5 has."""

    def issues(self, **more):
        def page(start, end):
            reply = self.client.issues_api.get_issues(search_from=start, search_to=end, **more).reply
            return reply.data, reply.filter_count
        found, totals = pages(page)
        self.assertEqual(totals, {len(found)})
        return found

    def test_issues(self):
        found = self.issues()
        ids = [i.id for i in found]
        self.assertEqual((len(ids), len(set(ids))), (ALERTS, ALERTS))
        self.assertEqual([i.insert_time for i in found], sorted((i.insert_time for i in found), reverse=True))
        middle = sorted(i.insert_time for i in found)[ALERTS // 2]
        for field, operator, value, holds in (
            ("severity", "in", ["HIGH"], lambda i: i.severity == "HIGH"),
            ("status.progress", "in", [found[0].status_progress], lambda i: i.status_progress == found[0].status_progress),
            ("id", "in", ids[3:6], lambda i: i.id in ids[3:6]),
            ("_insert_time", "gte", middle, lambda i: i.insert_time >= middle),
        ):
            with self.subTest((field, value)):
                expected = {i.id for i in found if holds(i)}
                self.assertTrue(0 < len(expected) < ALERTS)
                self.assertEqual({i.id for i in self.issues(filters=[{"field": field, "operator": operator, "value": value}])}, expected)

    def cases(self, **more):
        def page(start, end):
            reply = self.client.cases_api.get_cases(search_from=start, search_to=end, **more).reply
            return reply.data, reply.filter_count
        return pages(page)[0]

    def test_cases(self):
        found = self.cases()
        ids = [c.case_id for c in found]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(sum(c.issue_count for c in found), ALERTS)
        self.assertEqual(Counter(n for c in found for n in c.issue_ids), Counter(i.id for i in self.issues()))
        some = ids[1:4]
        filtered = self.cases(filters=[{"field": "case_id", "operator": "in", "value": some}])
        self.assertEqual({c.case_id for c in filtered}, set(some))


class Advanced3(SignatureRefusals, Refusals, Endpoints, Alerts3, Tenant):
    generation, key_type = 3, "advanced"


class Standard3(Refusals, Endpoints, Alerts3, Tenant):
    generation, key_type = 3, "standard"


class Advanced5(SignatureRefusals, Refusals, Endpoints, Issues5, Tenant):
    generation, key_type = 5, "advanced"


class Standard5(Refusals, Endpoints, Issues5, Tenant):
    generation, key_type = 5, "standard"


class Limits(Tenant):
    """Ten calls a second."""

    more = ()

    def test_the_eleventh_call_of_a_second_is_refused(self):
        began = time.monotonic()
        with self.assertRaises(requests.HTTPError) as caught:
            for _ in range(60):
                self.client.endpoints_api.get_all_endpoints()
        self.assertEqual(caught.exception.response.status_code, 429)
        self.assertGreaterEqual(self.sim.count("cortex-1", "v1/endpoints/get_endpoints"), 11)
        self.assertLess(time.monotonic() - began, 10)


class Trust(Tenant):
    def test_without_the_authority_no_client_connects(self):
        bundle = os.environ.pop("REQUESTS_CA_BUNDLE")
        try:
            with self.assertRaises(requests.exceptions.SSLError):
                self.client.system_api.healthcheck()
        finally:
            os.environ["REQUESTS_CA_BUNDLE"] = bundle

    def test_another_name_is_not_in_the_certificate(self):
        port = self.tenant.fqdn.rsplit(":", 1)[1]
        with self.assertRaises(requests.exceptions.SSLError):
            requests.get(f"https://api.elsewhere.localhost:{port}/public_api/v1/healthcheck", timeout=10)
