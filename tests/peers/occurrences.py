"""What happens in a calendar, by recurring-ical-events: one line of JSON for each UID, with the starts and ends in UTC.

Arguments: the file, and from when until when, as 20260901T000000Z.
"""

import collections
import datetime
import json
import sys

import icalendar
import recurring_ical_events

UTC = datetime.timezone.utc


def instant(text):
    return datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def utc(time):
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def main(path, start, end):
    start, end = instant(start), instant(end)
    with open(path, "rb") as file:
        calendar = icalendar.Calendar.from_ical(file.read())
    by_uid = collections.defaultdict(list)
    for event in calendar.walk("VEVENT"):
        by_uid[str(event["UID"])].append(event)
    for uid, events in by_uid.items():
        alone = icalendar.Calendar()
        for event in events:
            alone.add_component(event)
        try:
            found = recurring_ical_events.of(alone).between(start, end)
            times = sorted((utc(event["DTSTART"].dt), utc(event["DTEND"].dt)) for event in found)
            print(json.dumps({"uid": uid, "times": times}))
        except Exception as error:  # What it cannot read is compared, too.
            print(json.dumps({"uid": uid, "error": f"{type(error).__name__}: {error}"}))


main(*sys.argv[1:])
