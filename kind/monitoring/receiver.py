"""Prints each alert that Alertmanager delivers to this webhook, one JSON object per line.

Uses the standard library only, so that it runs in any Python image. The argument is the port; 0 chooses a free one.
"""

import http.server
import json
import sys

# Longest accepted body; Alertmanager sends some kilobytes.
BODY_BYTES_MAX = 1 << 20


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers 200 only after printing the alerts, because Alertmanager retries on any other status."""

    def do_POST(self):
        n_bytes = int(self.headers.get("content-length", 0))
        if n_bytes > BODY_BYTES_MAX:
            return self.answer(413)
        try:
            alerts = json.loads(self.rfile.read(n_bytes))["alerts"]
            lines = [json.dumps(line(alert)) for alert in alerts]
        except (ValueError, KeyError, TypeError):
            return self.answer(400)
        for text in lines:
            print(text, flush=True)
        return self.answer(200)

    def do_GET(self):
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Logs no requests."""


def line(alert):
    return {
        "status": alert["status"],
        "alert": alert["labels"]["alertname"],
        "labels": alert["labels"],
        "annotations": alert["annotations"],
        "starts_at": alert["startsAt"],
    }


def main():
    server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Receiver)
    print(f"listening on port {server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
