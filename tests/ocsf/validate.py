"""Holds events against the schemas of OCSF as PyPI's `ocsf-json-schema` has them: `python validate.py FOLDER`.

The folder has files of JSON Lines, one event a line, of any version that the package knows. Beside the schema it looks at
what a JSON Schema cannot hold: that a caption belongs to its number, and that nothing deprecated is used.
"""

import collections
import functools
import json
import multiprocessing
import pathlib
import sys


class Blocked(BaseException):
    """Something wanted to leave. No library's `except Exception` catches it."""


def _alone(event, args):
    """No name is looked up and nothing is connected to: whoever validates needs no network."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"):
        raise Blocked(f"blocked: {event} {args[1:] or args}")


sys.addaudithook(_alone)

import jsonschema  # noqa: E402  after the hook: nothing that follows may leave
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # noqa: E402

# What there must be of each version, so that nothing passes for want of events.
CLASSES = {
    "1.3.0": {2002, 2004, 2005, 5001, 5019, 5020, 7001, 7002, 7003, 7004},
    "1.8.0": {2002, 2004, 2005, 5001, 5019, 5020, 5021, 7001, 7002, 7003, 7004},
}


@functools.cache
def published(version):
    return get_ocsf_schema(version)


@functools.cache
def validator(version, class_uid, profiles):
    schema = OcsfJsonSchemaEmbedded(published(version))
    name = schema.lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(schema.get_class_schema(name, list(profiles)))


@functools.cache
def attributes(version, class_uid):
    classes = published(version)["classes"].values()
    return next(c["attributes"] for c in classes if c["uid"] == class_uid)


def words(version, known, item, at=""):
    """Captions that do not belong to their numbers, and what is deprecated."""
    for key, value in item.items():
        attribute = known.get(key)
        if attribute is None or key == "unmapped":
            continue
        path = f"{at}.{key}".lstrip(".")
        if "@deprecated" in attribute:
            yield f"{path} is deprecated"
        # The published schema leaves the sibling out where the name tells it.
        sibling = attribute.get("sibling") or {"activity_id": "activity_name"}.get(key, key.removesuffix("_id"))
        caption = attribute.get("enum", {}).get(str(value), {}).get("caption") if key.endswith("_id") else None
        if caption is not None and value != 99 and item.get(sibling, caption) != caption:
            yield f"{path} is {value}, {caption}, and {sibling} says {item[sibling]}"
        inner = published(version)["objects"].get(attribute.get("object_type"), {}).get("attributes")
        for part in value if isinstance(value, list) else [value]:
            if inner and isinstance(part, dict):
                yield from words(version, inner, part, path)


def faults(event):
    """All that is wrong with an event."""
    metadata = event.get("metadata", {})
    version, class_uid = metadata.get("version"), event.get("class_uid")
    try:
        schema = validator(version, class_uid, tuple(sorted(metadata.get("profiles", []))))
        known = attributes(version, class_uid)
    except (OSError, StopIteration, ValueError) as error:
        return [f"no schema for class {class_uid} of {version}: {error}"]
    found = [f"{error.json_path}: {error.message[:300]}" for error in schema.iter_errors(event)]
    return found + list(words(version, known, event))


def one(place):
    file, number, line = place
    event = json.loads(line)
    found = faults(event)
    version = event.get("metadata", {}).get("version")
    return (version, event.get("class_uid")), [f"{file}:{number}: {fault}" for fault in found]


def lines(folder):
    for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield path.name, number, line


def main(folder):
    counts, found = collections.Counter(), []
    with multiprocessing.get_context("fork").Pool() as pool:
        for kind, wrong in pool.imap_unordered(one, lines(folder), chunksize=200):
            counts[kind] += 1
            found.extend(wrong)
    for (version, class_uid), count in sorted(counts.items(), key=str):
        print(f"{version} {class_uid}: {count} events")
    for fault in found[:50]:
        print(fault, file=sys.stderr)
    missing = [(v, c) for v, all_of in CLASSES.items() for c in sorted(all_of) if not counts[v, c]]
    if found or missing:
        sys.exit(f"{len(found)} faults in {counts.total()} events; classes without an event: {missing}")
    print(f"{counts.total()} events, no fault")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: validate.py FOLDER")
    main(sys.argv[1])
