"""falconpy and requests: event streams as connectors read them: discovered, refreshed, resumed, left silent."""

import json
import unittest

import requests
from falconpy import Alerts, EventStreams

from sim import Sim, eventually

WEEK_MS = 7 * 24 * 3600 * 1000


def setUpModule():
    global sim, falcon, streams
    sim = Sim("--falcon-hosts", "30", "--cortex-tenants", "0", "--alerts", "120", "--stream-heartbeat", "20m")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    login()


def login():
    """falconpy does not see the simulator's clock: after an advance a login is needed."""
    global streams, alerts
    streams = EventStreams(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    alerts = Alerts(auth_object=streams)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


class Connection:
    """One reader, as the vendor's own gateway reads: the session's token, the address and an offset."""

    def __init__(self, stream, **query):
        url = stream["dataFeedURL"] + "".join(f"&{key}={value}" for key, value in query.items())
        headers = {"Authorization": f"Token {stream['sessionToken']['token']}", "Connection": "Keep-Alive"}
        self.reply = requests.get(url, headers=headers, stream=True, timeout=(5, 10))
        self.lines = self.reply.iter_lines(chunk_size=None)

    def __enter__(self):
        self.reply.raise_for_status()
        return self

    def __exit__(self, *_):
        self.reply.close()

    def events(self, count):
        found = []
        for line in self.lines:
            if line:
                found.append(json.loads(line))
            if len(found) == count:
                break
        return found


def offsets(events):
    return [e["metadata"]["offset"] for e in events]


class Events(unittest.TestCase):
    def setUp(self):
        login()
        self.addCleanup(sim.call, "POST", "reset")

    def discover(self, app="interop"):
        return good(streams.list_available_streams(app_id=app, format="json"))["resources"]

    def only(self, app="interop"):
        found = self.discover(app)
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0]["dataFeedURL"].startswith(falcon.base_url), found)
        return found[0]

    def test_the_backlog_of_a_week_comes_in_order(self):
        with Connection(self.only()) as reader:
            events = reader.events(20)
        first = offsets(events)[0]
        self.assertEqual(offsets(events), list(range(first, first + 20)))
        times = [e["metadata"]["eventCreationTime"] for e in events]
        self.assertEqual(times, sorted(times))
        self.assertLess(sim.now().timestamp() * 1000 - times[0], WEEK_MS)
        known = {a["composite_id"] for a in good(alerts.get_alerts_combined(limit=1000))["resources"]}
        told = {e["event"]["CompositeId"] for e in events if "CompositeId" in e["event"]}
        self.assertTrue(told and told <= known, told - known)

    def test_new_alerts_and_changes_arrive(self):
        with Connection(self.only(), whence=2) as reader:
            self.assertEqual(reader.events(1)[0]["event"]["OperationName"], "streamStarted")
            sim.add_alerts("falcon-1", 6)
            new = reader.events(6)
            ids = [e["event"]["CompositeId"] for e in new if "CompositeId" in e["event"]]
            good(alerts.update_alerts_v3(composite_ids=ids[:1], update_status="in_progress"))
            change = reader.events(1)[0]
        self.assertEqual(change["metadata"]["eventType"], "UserActivityAuditEvent")
        pairs = {p["Key"]: p["ValueString"] for p in change["event"]["AuditKeyValues"]}
        self.assertEqual((pairs["detection_id"], pairs["new_state"]), (ids[0], "in_progress"))

    def test_a_reader_goes_on_by_its_offset(self):
        stream = self.only()
        with Connection(stream) as reader:
            seen = offsets(reader.events(8))
        with Connection(stream, offset=seen[4] + 1) as reader:
            self.assertEqual(offsets(reader.events(3)), seen[5:])

    def test_types_are_chosen(self):
        sim.add_alerts("falcon-1", 60)
        with Connection(self.only(), eventType="IdpDetectionSummaryEvent") as reader:
            kinds = {e["metadata"]["eventType"] for e in reader.events(5)}
        self.assertEqual(kinds, {"IdpDetectionSummaryEvent"})

    def test_a_name_reads_once(self):
        with Connection(self.only(), whence=2) as reader:
            reader.events(1)
            self.assertEqual(self.discover(), [])
            self.assertEqual(len(self.discover("another")), 1)
        self.assertEqual(len(eventually("the name is free", self.discover)), 1)

    def test_a_session_lives_as_long_as_it_is_refreshed(self):
        stream = self.only()
        with Connection(stream, whence=2) as reader:
            reader.events(1)
            sim.advance("25m")
            self.assertEqual(next(reader.lines), b"", "a heartbeat")
            body = good(streams.refresh_active_stream(app_id="interop", partition=0))
            self.assertEqual(body.get("errors") or [], [])
            sim.advance("25m")
            login()
            sim.add_alerts("falcon-1", 1)
            self.assertEqual(len(reader.events(1)), 1, "an hour's half is over, and it still reads")
            sim.advance("31m")
            list(reader.lines)  # to the end: the service closes what nobody refreshes
        login()
        good(streams.refresh_active_stream(app_id="interop", partition=0), 404)
        with self.assertRaises(requests.HTTPError) as refused, Connection(stream, whence=2):
            pass
        self.assertEqual(refused.exception.response.status_code, 401)
        with Connection(self.only(), whence=2) as reader:
            self.assertEqual(len(reader.events(1)), 1)

    def test_a_connection_breaks_in_the_middle_of_a_line(self):
        stream = self.only()
        with Connection(stream) as reader:
            plain = offsets(reader.events(5))
        eventually("the reader is gone", self.discover)
        stream = self.only()
        with sim.fault("ReadEventStream", "break-off", nth=3):
            with Connection(stream) as reader:
                self.assertEqual(offsets(reader.events(2)), plain[:2])
                with self.assertRaises(requests.exceptions.ChunkedEncodingError):
                    list(reader.lines)
        with Connection(stream, offset=plain[1] + 1) as reader:
            self.assertEqual(offsets(reader.events(3)), plain[2:])

    def test_what_is_asked_badly_is_refused(self):
        good(streams.list_available_streams(app_id="x" * 33), 400)
        good(streams.refresh_active_stream(app_id="interop", partition=7), 404)
        good(streams.refresh_active_stream(app_id="interop", partition=0, action_name="burn"), 400)
