"""falconpy: Real Time Response: sessions, commands, what waits, files, scripts and batches."""

import unittest

from falconpy import Hosts, RealTimeResponse, RealTimeResponseAdmin, RealTimeResponseAudit

from sim import Sim


def setUpModule():
    global sim, hosts, rtr, admin, audit
    sim = Sim("--falcon-hosts", "120", "--cortex-tenants", "0", "--alerts", "0")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    rtr, admin = RealTimeResponse(auth_object=hosts), RealTimeResponseAdmin(auth_object=hosts)
    audit = RealTimeResponseAudit(auth_object=hosts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def first(answer, status=201):
    return good(answer, status)["resources"][0]


class Response(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")
        ids = good(hosts.query_devices_by_filter(filter="platform_name:'Windows'", limit=500))["resources"]
        states = {}
        for at in range(0, len(ids), 100):
            states |= {r["id"]: r["state"] for r in good(hosts.get_online_state(ids=ids[at:at + 100]))["resources"]}
        self.on = [i for i in ids if states[i] == "online"]
        self.off = [i for i in ids if states[i] == "offline"]

    def log(self, operation):
        return [e["target"] for e in sim.log("falcon-1") if e["operation"] == operation]

    def said(self, check, request):
        """All pieces of what a command says."""
        self.assertFalse(first(check(cloud_request_id=request, sequence_id=0), 200)["complete"])
        text, n = "", 0
        while True:
            piece = first(check(cloud_request_id=request, sequence_id=n), 200)
            text += piece["stdout"]
            if piece["complete"]:
                return text
            n += 1


class Sessions(Response):
    def test_commands_of_every_level(self):
        device = self.on[0]
        begun = first(rtr.init_session(device_id=device, origin="interop", queue_offline=False))
        session = begun["session_id"]
        self.assertEqual(begun["pwd"], "C:\\")
        run = {"base_command": "ls", "command_string": 'ls "C:\\Program Files"', "session_id": session, "device_id": device, "persist": False}
        for execute, check in [
            (rtr.execute_command, rtr.check_command_status),
            (rtr.execute_active_responder_command, rtr.check_active_responder_command_status),
            (admin.execute_admin_command, admin.check_admin_command_status),
        ]:
            taken = first(execute(**run))
            self.assertFalse(taken["queued_command_offline"])
            text = self.said(check, taken["cloud_request_id"])
            self.assertEqual(text.splitlines()[0], "Directory of C:\\Program Files")
            self.assertEqual(len(text.splitlines()), 41)
        low = rtr.execute_command(base_command="rm", command_string="rm x", session_id=session, device_id=device)
        self.assertEqual(low["status_code"], 400)
        self.assertEqual(first(rtr.list_sessions(ids=[session]), 200)["cloud_request_ids"], [
            l["cloud_request_id"] for l in first(rtr.list_sessions(ids=[session]), 200)["logs"]])
        self.assertEqual(good(rtr.list_all_sessions(filter=f"aid:'{device}'"))["resources"], [session])
        self.assertEqual(first(audit.audit_sessions(), 200)["id"], session)
        counts = first(rtr.aggregate_sessions(name="c", type="terms", field="base_command"), 200)["buckets"]
        self.assertEqual([(b["label"], b["count"]) for b in counts], [("ls", 3)])
        self.assertEqual(rtr.pulse_session(device_id=device)["status_code"], 201)
        self.assertEqual(rtr.delete_session(session_id=session)["status_code"], 204)
        self.assertEqual(rtr.pulse_session(device_id=device)["status_code"], 404)

    def test_a_session_sleeps_after_ten_minutes(self):
        device = self.on[0]
        session = first(rtr.init_session(device_id=device))["session_id"]
        sim.advance("9m")
        good(rtr.pulse_session(device_id=device), 201)
        sim.advance("9m")
        run = {"base_command": "ps", "command_string": "ps", "session_id": session, "device_id": device}
        good(rtr.execute_command(**run), 201)
        sim.advance("10m")
        self.assertEqual(rtr.execute_command(**run)["status_code"], 404)

    def test_commands_wait_for_a_host(self):
        device = self.off[0]
        refused = rtr.init_session(device_id=device, queue_offline=False)
        self.assertEqual((refused["status_code"], refused["body"]["errors"][0]["code"]), (404, 40401))
        begun = first(rtr.init_session(device_id=device, queue_offline=True))
        self.assertTrue(begun["offline_queued"])
        session = begun["session_id"]
        ask = {"session_id": session, "device_id": device}
        keep, drop = (first(rtr.execute_command(base_command=c, command_string=c, **ask))["cloud_request_id"] for c in ("ps", "env"))
        self.assertEqual(rtr.delete_queued_session(session_id=session, cloud_request_id=drop)["status_code"], 204)
        job = first(rtr.list_queued_sessions(ids=[session]), 200)
        self.assertEqual([c["status"] for c in job["Commands"]], ["PENDING", "CANCELLED"])
        sim.online("falcon-1", device, True)
        self.assertIn("falcon-sensor", self.said(rtr.check_command_status, keep))
        self.assertEqual(self.log("sim/rtr"), [device])

    def test_a_file_is_fetched(self):
        device = self.on[1]
        session = first(rtr.init_session(device_id=device))["session_id"]
        taken = first(rtr.execute_active_responder_command(base_command="get", command_string='get "C:\\a b.txt"', session_id=session, device_id=device))
        self.assertEqual(self.said(rtr.check_active_responder_command_status, taken["cloud_request_id"]), "C:\\a b.txt")
        self.assertFalse(first(rtr.list_files_v2(session_id=session), 200)["complete"])
        file = first(rtr.list_files_v2(session_id=session), 200)
        self.assertTrue(file["complete"])
        archive = rtr.get_extracted_file_contents(session_id=session, sha256=file["sha256"], filename="a.7z")
        self.assertEqual(archive[:6], b"7z\xbc\xaf\x27\x1c")
        self.assertEqual(rtr.delete_file_v2(session_id=session, ids=file["id"])["status_code"], 204)
        self.assertEqual(good(rtr.list_files(session_id=session))["resources"], [])


class Batches(Response):
    def test_each_host_has_its_row(self):
        some = [self.on[0], self.off[0], self.on[1]]
        begun = good(rtr.batch_init_sessions(host_ids=some, queue_offline=False), 201)
        batch = begun["batch_id"]
        self.assertEqual(begun["resources"][self.off[0]]["errors"][0]["code"], 40401)
        for run in (rtr.batch_command, rtr.batch_active_responder_command, admin.batch_admin_command):
            rows = good(run(batch_id=batch, base_command="ls", command_string="ls"), 201)["combined"]["resources"]
            self.assertEqual({i: r["complete"] for i, r in rows.items()}, {i: True for i in (some[0], some[2])})
        got = good(rtr.batch_get_command(batch_id=batch, file_path="C:\\x.txt"), 201)["batch_get_cmd_req_id"]
        self.assertEqual(good(rtr.batch_get_command_status(batch_get_cmd_req_id=got))["resources"], {})
        files = good(rtr.batch_get_command_status(batch_get_cmd_req_id=got))["resources"]
        self.assertEqual(set(files), {some[0], some[2]})
        left = good(rtr.batch_refresh_sessions(batch_id=batch, hosts_to_remove=[some[0]]), 201)["resources"]
        self.assertEqual(set(left), {some[2]})
        none = rtr.batch_init_sessions(host_ids=self.off[:2], queue_offline=False)
        self.assertEqual((none["status_code"], none["body"]["errors"][0]["message"]), (404, "no successful hosts initialized on RTR"))


class Library(Response):
    def test_put_files(self):
        content = bytes(range(256)) * 300
        form = {"description": "by a test", "name": "tool.bin", "comments_for_audit_log": "x"}
        made = first(admin.create_put_files_v2(data=form, files=[("file", ("tool.bin", content, "application/octet-stream"))]), 200)
        self.assertEqual((made["name"], made["size"]), ("tool.bin", len(content)))
        self.assertEqual(good(admin.list_put_files(filter="name:'tool.bin'"))["resources"], [made["id"]])
        self.assertEqual(first(admin.get_put_files(ids=made["id"]), 200)["sha256"], made["sha256"])
        self.assertEqual(admin.get_put_file_contents(id=made["id"]), content)
        good(admin.delete_put_files(ids=made["id"]))
        self.assertEqual(self.log("RTR-DeletePut-Files"), [made["id"]])

    def test_scripts(self):
        form = {"description": "by a test", "name": "collect", "permission_type": "public", "platform": "linux", "content": "ps aux"}
        made = first(admin.create_scripts_v2(data=form, files=[("file", ("collect", "ps aux", "text/plain"))]), 200)
        self.assertEqual((made["content"], made["permission_type"], made["platform"]), ("ps aux", "public", ["linux"]))
        change = {"id": made["id"], "description": "changed", "content": "ps -ef"}
        changed = first(admin.update_scripts_v2(data=change, files=[("file", ("collect", "ps -ef", "text/plain"))]), 202)
        self.assertEqual((changed["content"], changed["description"], changed["name"]), ("ps -ef", "changed", "collect"))
        self.assertEqual(good(admin.list_scripts())["resources"], [made["id"]])
        device = self.on[0]
        session = first(rtr.init_session(device_id=device))["session_id"]
        line = "runscript -CloudFile=\"collect\" -CommandLine=```-v 3```"
        taken = first(rtr.execute_active_responder_command(base_command="runscript", command_string=line, session_id=session, device_id=device))
        self.assertEqual(self.said(rtr.check_active_responder_command_status, taken["cloud_request_id"]), "collect -v 3\n")
        good(admin.delete_scripts(ids=made["id"]))
        self.assertEqual(good(admin.list_scripts())["resources"], [])
        brought = good(admin.list_falcon_scripts())["resources"]
        self.assertEqual(len(good(admin.get_falcon_scripts(ids=brought))["resources"]), len(brought))
