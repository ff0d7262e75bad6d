"""The guard holds. Every address here leads nowhere (RFC 2606, RFC 5737), so that even a broken guard meets nobody."""

import os
import socket
import unittest

import guard
import requests


class Guard(unittest.TestCase):
    def setUp(self):
        self.before = len(guard.violations)

    def tearDown(self):
        # What was provoked here is no violation of the run.
        del guard.violations[self.before:]

    def blocked(self, attempt):
        seen = len(guard.violations)
        with self.assertRaises(guard.Blocked):
            attempt()
        self.assertEqual(len(guard.violations), seen + 1, "the run would not fail")

    def test_every_way_out_is_blocked(self):
        outside = ("192.0.2.1", 9)
        self.blocked(lambda: socket.create_connection(outside, timeout=1))
        self.blocked(lambda: socket.socket().connect(outside))
        self.blocked(lambda: socket.socket().connect_ex(outside))
        self.blocked(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", outside))
        self.blocked(lambda: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, outside))
        self.blocked(lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 9)))
        self.blocked(lambda: socket.getaddrinfo("api.example.invalid", 443))
        self.blocked(lambda: socket.gethostbyname("api.example.invalid"))
        self.blocked(lambda: requests.get("https://api.example.invalid/", timeout=1))
        self.blocked(lambda: requests.get("http://192.0.2.1/", timeout=1))

    def test_lookalikes_are_outside(self):
        for host in ("127.0.0.1.example.invalid", "localhost.example.invalid", "notlocalhost", "128.0.0.1", "0.0.0.0", "::", ""):
            self.assertFalse(guard.loopback(host), host)

    def test_names_under_localhost_are_loopback(self):
        found = socket.getaddrinfo("api-tenant.localhost", 443, type=socket.SOCK_STREAM)
        self.assertEqual({row[4][0] for row in found}, {"127.0.0.1"})

    def test_no_proxy_of_the_environment_is_used(self):
        self.assertEqual(requests.utils.get_environ_proxies("http://192.0.2.1/"), {})
        self.assertFalse([n for n in os.environ if n.lower() in ("http_proxy", "https_proxy", "all_proxy")])
