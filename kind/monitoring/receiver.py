"""Prints each alert that Alertmanager delivers, one JSON object a line: what a webhook of yours would get.

Standard library only, so that it runs in any Python image as it is. Takes the port to listen on; 0 takes a free one.
"""

import http.server
import json
import sys

# Longest delivery that is read; Alertmanager's are some kilobytes.
BODY_BYTES_MAX = 1 << 20


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers 200 only to what it could print: anything else Alertmanager sends again."""

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
        """Deliveries are printed, requests are not."""


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
