"""The server of tests/pull/run, on this machine: it serves DATA as a case asks for."""

import http.server
import random
import threading
import time

DATA = random.Random(1).randbytes(1_500_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves what a case asks for; `answers` are taken one a request, the last one stays."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.reset()

    def reset(self, *answers):
        self.answers = list(answers) or [{}]
        self.seen = []  # (path, Range, If-Range)
        self.sent = 0   # bytes of bodies
        self.told = 0   # answers given up to now

    def handle_error(self, request, address):
        pass  # the program hung up, as some cases want it to


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        s = self.server
        answer = s.answers[min(s.told, len(s.answers) - 1)]
        s.told += 1
        s.seen.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        self.close_connection = True
        if "to" in answer and self.path != "/landed":
            return self.head(302, {"Location": answer["to"], "Content-Length": "0"})
        if "status" in answer:
            self.head(answer["status"], {"Content-Length": "5", **answer.get("header", {})})
            return self.wfile.write(b"sorry")
        self.body(answer)

    def head(self, status, header):
        self.send_response(status)
        for name, value in header.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, a):
        data, etag = a.get("data", DATA), a.get("etag", '"one"')
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        start = int(asked[6:-1]) if asked and not a.get("no_range") else 0
        if condition and condition != etag:
            start = 0
        if start and start >= len(data):
            return self.head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
        header = dict(a.get("header", {}))
        if etag:
            header["ETag"] = etag
        if start:
            told = start + a.get("shift", 0)
            header["Content-Range"] = f"bytes {told}-{len(data) - 1}/{len(data)}"
        if a.get("chunked"):
            header["Transfer-Encoding"] = "chunked"
        elif not a.get("no_length"):
            header["Content-Length"] = str(a.get("length", len(data)) - start)
        self.head(206 if start else 200, header)
        self.pour(data[start:start + a["cut"]] if "cut" in a else data[start:], a)

    def pour(self, data, a):
        piece = a.get("piece", 1 << 16)
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            if a.get("chunked"):
                part = b"%x\r\n%s\r\n" % (len(part), part)
            self.wfile.write(part)
            self.server.sent += len(data[at:at + piece])
            time.sleep(a.get("pause", 0))
        if "stall" in a:
            time.sleep(a["stall"])
        elif a.get("chunked") and "cut" not in a:
            self.wfile.write(b"0\r\n\r\n")
