"""Verifies signed messages with the Standard Webhooks project's own library: one JSON object a line, with the headers, the body
(base64) and the one secret that the receiver knows. Prints for each whether it is accepted."""

import base64
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    message = json.loads(line)
    try:
        Webhook(message["secret"]).verify(base64.b64decode(message["body"]), message["headers"])
        print("yes")
    except WebhookVerificationError:
        print("no")
