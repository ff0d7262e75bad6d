"""The validator sees what is wrong, and cannot reach a network: `python -m unittest discover -s tests/ocsf`."""

import copy
import socket
import unittest

import validate


def event(version="1.8.0"):
    return {
        "activity_id": 2, "activity_name": "Collect", "category_uid": 5, "class_uid": 5001, "type_uid": 500102,
        "time": 1767323045000, "severity_id": 1, "severity": "Informational",
        "metadata": {"version": version, "product": {"name": "Falcon", "vendor_name": "CrowdStrike"}, "profiles": ["cloud"]},
        "device": {"uid": "0f3a", "type_id": 3, "type": "Laptop", "os": {"name": "Linux", "type_id": 200, "type": "Linux"}},
        "cloud": {"provider": "aws"},
    }


class Validate(unittest.TestCase):
    def changed(self, change, version="1.8.0"):
        wrong = copy.deepcopy(event(version))
        change(wrong)
        return "\n".join(validate.faults(wrong))

    def test_good_events_have_no_fault(self):
        for version in ("1.3.0", "1.8.0"):
            self.assertEqual(validate.faults(event(version)), [])

    def test_the_schema_is_asked(self):
        self.assertIn("stranger", self.changed(lambda e: e.update(stranger=1)))
        self.assertIn("time", self.changed(lambda e: e.pop("time")))
        self.assertIn("42", self.changed(lambda e: e["device"].update(type_id=42)))

    def test_an_undeclared_profile_is_seen(self):
        self.assertIn("cloud", self.changed(lambda e: e["metadata"].pop("profiles")))

    def test_what_came_later_is_no_part_of_the_older_version(self):
        self.assertEqual(self.changed(lambda e: e["device"].update(model="XPS")), "")
        self.assertIn("model", self.changed(lambda e: e["device"].update(model="XPS"), "1.3.0"))

    def test_a_class_or_version_that_is_not_there_is_a_fault(self):
        self.assertIn("no schema", self.changed(lambda e: e.update(class_uid=5021), "1.3.0"))
        self.assertIn("no schema", self.changed(lambda e: e["metadata"].update(version="0.1.0")))

    def test_a_caption_belongs_to_its_number(self):
        self.assertIn("device.type_id", self.changed(lambda e: e["device"].update(type="Server")))
        self.assertIn("device.os.type_id", self.changed(lambda e: e["device"]["os"].update(type="Windows")))
        self.assertIn("activity_id", self.changed(lambda e: e.update(activity_name="Log")))

    def test_nothing_deprecated_is_used(self):
        self.assertIn("deprecated", self.changed(lambda e: e["device"].update(imei="1")))

    def test_nothing_leaves(self):
        with self.assertRaises(validate.Blocked):
            socket.create_connection(("127.0.0.1", 9))
        with self.assertRaises(validate.Blocked):
            socket.getaddrinfo("schema.ocsf.io", 443)


if __name__ == "__main__":
    unittest.main()
