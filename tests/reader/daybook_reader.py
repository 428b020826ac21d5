#!/usr/bin/env python3
"""Reads Daybook's topics into two tables: a recipe, to be copied and changed.

    pip install confluent-kafka fastavro
    python daybook_reader.py --brokers localhost:9092 --registry http://localhost:8081/apis/ccompat/v7 bookings.sqlite

The table `current` is what `booking.canonical` says of each booking now, the table `history` every decision that
`booking.decisions` has told. Run it again and it goes on where it stopped; without --until-end it follows for ever.

Four rules make it right:

1. A value is five bytes, a zero and the schema's id, and then Avro, written with that schema. Read it with the writer's
   schema from the registry; an id never changes its meaning, so keep what you have fetched.
2. `booking.canonical` is a state: take it over only if its version rises. Versions may be skipped, an older one may come
   again, and a cancelled booking is a state like any other. A null value erases the booking.
3. `booking.decisions` is a log: `seq` rises by one on each partition. One that is not above the last is a repeat: drop
   it. One that leaves a gap means that you have missed records: stop; unless it is the first you ever read, for the
   topic forgets after a year.
4. Keep your position where you keep your data, and write both in one transaction. Then nothing is lost or done twice,
   whenever you are stopped.
"""

import argparse
import io
import json
import sqlite3
import struct
import sys
import urllib.request

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

CANONICAL = "booking.canonical"
DECISIONS = "booking.decisions"

TABLES = """
CREATE TABLE IF NOT EXISTS position (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS current (
    booking_id TEXT PRIMARY KEY, version INTEGER, status TEXT, resource_id TEXT, start_time TEXT, end_time TEXT,
    title TEXT, attendees TEXT, source TEXT
);
CREATE TABLE IF NOT EXISTS history (
    partition INTEGER, seq INTEGER, decided_at TEXT, request_id TEXT, resource_id TEXT, booking_id TEXT, operation TEXT,
    outcome TEXT, reason TEXT, winner TEXT, PRIMARY KEY (partition, seq)
);
"""


class Schemas:
    """Rule 1."""

    def __init__(self, registry):
        self.registry = registry.rstrip("/")
        self.known = {}

    def decode(self, value):
        magic, schema_id = struct.unpack(">bI", value[:5])
        if magic != 0:
            raise ValueError("the value has no Confluent header")
        if schema_id not in self.known:
            with urllib.request.urlopen(f"{self.registry}/schemas/ids/{schema_id}", timeout=10) as answer:
                self.known[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.known[schema_id], None)


def text(time):
    """Times come as UTC; they become local on somebody's screen, and not before."""
    return time and time.isoformat(timespec="microseconds")


def take_state(db, key, booking, counts):
    """Rule 2."""
    if booking is None:
        db.execute("DELETE FROM current WHERE booking_id = ?", (key,))
        return
    known = db.execute("SELECT version FROM current WHERE booking_id = ?", (booking["booking_id"],)).fetchone()
    if known and booking["version"] <= known[0]:
        counts["older states"] += 1
        return
    if booking["version"] > (known[0] if known else 0) + 1:
        counts["skipped versions"] += 1
    counts["states"] += 1
    db.execute(
        "REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            booking["booking_id"],
            booking["version"],
            booking["status"],
            booking["resource_id"],
            text(booking["start_time"]),
            text(booking["end_time"]),
            booking["title"],
            json.dumps([attendee["email"] for attendee in booking["attendees"]]),
            booking["source"],
        ),
    )


def take_decision(db, partition, decision, counts):
    """Rule 3."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM history WHERE partition = ?", (partition,)).fetchone()
    if decision["seq"] <= last:
        counts["repeats"] += 1
        return
    if last and decision["seq"] > last + 1:
        sys.exit(f"partition {partition} goes from seq {last} to {decision['seq']}: records are lost")
    counts["decisions"] += 1
    booking, winner = decision["booking"], decision["winner"]
    db.execute(
        "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            partition,
            decision["seq"],
            text(decision["decided_at"]),
            decision["request_id"],
            decision["resource_id"],
            booking and booking["booking_id"],
            decision["operation"],
            decision["outcome"],
            decision["reason"],
            winner and winner["booking_id"],
        ),
    )


def positions(consumer, db):
    """Rule 4: every partition, from where this database stopped."""
    known = {(topic, partition): at for topic, partition, at in db.execute("SELECT topic, partition, next FROM position")}
    found = []
    for topic in (CANONICAL, DECISIONS):
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        found += [TopicPartition(topic, at, known.get((topic, at), OFFSET_BEGINNING)) for at in sorted(partitions)]
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--brokers", required=True)
    arguments.add_argument("--registry", required=True, help="its Confluent API")
    arguments.add_argument("--until-end", action="store_true", help="stop at what is the end of each partition now")
    arguments.add_argument("database")
    options = arguments.parse_args()

    db = sqlite3.connect(options.database, isolation_level=None)
    db.executescript(TABLES)
    schemas = Schemas(options.registry)
    # A group's name is needed even without a group: positions are kept in the database.
    consumer = Consumer({"bootstrap.servers": options.brokers, "group.id": "reader", "enable.auto.commit": False})
    assigned = positions(consumer, db)
    ends = {}
    # Asked before fetching begins: a broker answers one question at a time, and a fetch waits for news.
    for at in assigned if options.until_end else []:
        begin, end = consumer.get_watermark_offsets(TopicPartition(at.topic, at.partition), timeout=10)
        if end > max(begin, at.offset):
            ends[at.topic, at.partition] = end
    consumer.assign(assigned)

    counts = dict.fromkeys(["states", "older states", "skipped versions", "decisions", "repeats"], 0)
    while ends or not options.until_end:
        records = consumer.consume(500, timeout=0.5)
        db.execute("BEGIN")
        for record in records:
            if record.error():
                sys.exit(str(record.error()))
            value = record.value() and schemas.decode(record.value())
            if record.topic() == CANONICAL:
                take_state(db, record.key().decode(), value, counts)
            else:
                take_decision(db, record.partition(), value, counts)
            db.execute(
                "REPLACE INTO position VALUES (?, ?, ?)", (record.topic(), record.partition(), record.offset() + 1)
            )
        db.execute("COMMIT")
        # The position also passes what compaction has taken, where there is no record to tell of.
        for at in consumer.position([TopicPartition(*place) for place in ends]):
            if at.offset >= ends[at.topic, at.partition]:
                del ends[at.topic, at.partition]
    consumer.close()
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
