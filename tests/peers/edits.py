"""Edits calendars of a CalDAV server as people do, with the library `caldav`, which is not ours.

Arguments: the server, the user, the password. Reads commands from standard input, one line of JSON each, and answers each with
a line:

  {"do": "make", "calendar": "name"}                          makes a calendar; answers with its path
  {"do": "put", "calendar": path, "data": "BEGIN:VCALENDAR…"}  saves an object, new or changed, by its UID
  {"do": "delete", "calendar": path, "uid": "…"}
"""

import json
import sys

import caldav


def find(calendar, uid):
    for event in calendar.events():
        if event.icalendar_component is not None and str(event.icalendar_component["UID"]) == uid:
            return event
    return None


def act(client, command):
    if command["do"] == "make":
        principal = client.principal()
        return client_path(principal.make_calendar(name=command["calendar"], cal_id=command["calendar"]))
    calendar = client.calendar(url=command["calendar"])
    if command["do"] == "put":
        calendar.save_event(command["data"])
    else:
        event = find(calendar, command["uid"])
        if event is not None:
            event.delete()
    return "done"


def client_path(calendar):
    return calendar.url.path


def main(server, user, password):
    client = caldav.DAVClient(url=server, username=user, password=password)
    for line in sys.stdin:
        print(json.dumps(act(client, json.loads(line))), flush=True)


main(*sys.argv[1:])
