"""What sockjs-protocol's tests import from their own utils.py, which is Python 2: requests whose answers are read as they came."""

import socket
from urllib.parse import urlparse

import websocket


class Headers:
    """By names of any case."""

    def __init__(self):
        self.by_name = {}

    def add(self, name, value):
        self.by_name[name.lower()] = value

    def get(self, name, default=None):
        return self.by_name.get(name.lower(), default)

    def __getitem__(self, name):
        return self.by_name[name.lower()]

    def __contains__(self, name):
        return name.lower() in self.by_name


class Response:
    def __getitem__(self, name):
        return self.headers.get(name)

    def get(self, name, default=None):
        return self.headers.get(name, default)


class RawHttpConnection:
    def __init__(self, url):
        parts = urlparse(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=2)
        self.reader = self.socket.makefile("rb")
        self.is_behind_chunk = False

    def request(self, method, url, headers=None, body=None, timeout=None, http="1.1"):
        parts = urlparse(url)
        # As it stands in the URL: a dot in it is part of the test.
        target = url[url.index(parts.netloc) + len(parts.netloc) :]
        given = {"Host": parts.netloc, **(headers or {})}
        content = (body or "").encode("utf-8")
        if method == "POST" or body is not None:
            given["Content-Length"] = str(len(content))
        head = [f"{method} {target} HTTP/{http}"] + [f"{name}: {value}" for name, value in given.items()]
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + content)
        return self._head()

    def _head(self):
        response = Response()
        version, status, *description = self.reader.readline().decode().rstrip("\r\n").split(" ", 2)
        response.http = version.partition("/")[2]
        response.status = int(status)
        response.description = description[0] if description else ""
        response.headers = Headers()
        while True:
            line = self.reader.readline().decode("latin-1").rstrip("\r\n")
            if line == "":
                return response
            name, _, value = line.partition(":")
            response.headers.add(name, value.strip())

    def read(self, size=None):
        data = self.reader.read1() if size is None else self.reader.read(size)
        if size is not None and len(data) < size:
            raise Exception("Socket closed!")
        return data.decode("utf-8")

    def read_till_eof(self):
        return self.reader.read().decode("utf-8")

    def read_chunk(self):
        # A chunk's own line end: uWebSockets sends it with the next chunk (docs/uwebsockets.md), and who waits for it waits for that.
        if self.is_behind_chunk:
            self.reader.readline()
        self.is_behind_chunk = True
        return self.read(int(self.reader.readline(), 16))

    def closed(self):
        if self.reader.read(1) != b"":
            raise Exception("Socket not closed!")
        return True

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("utf-8"))

    def close(self):
        # The makefile has the socket, too.
        self.reader.close()
        self.socket.close()


def _reader(connection, response):
    """A function that reads what comes next: a chunk where the answer is in chunks."""
    if (response.get("transfer-encoding") or "").lower() == "chunked":
        return connection.read_chunk
    length = response.get("content-length")
    if length is not None:
        return lambda: connection.read(int(length))
    return connection.read


def _asynchronous(method, url, **options):
    connection = RawHttpConnection(url)
    response = connection.request(method, url, **options)
    response.read = _reader(connection, response)
    response.close = connection.close
    return response


def _synchronous(method, url, **options):
    connection = RawHttpConnection(url)
    response = connection.request(method, url, **options)
    if (response.get("transfer-encoding") or "").lower() == "chunked":
        chunks = iter(connection.read_chunk, "")
        response.body = "".join(chunks)
    elif response.get("content-length") is not None:
        response.body = connection.read(int(response["content-length"]))
    elif "close" in (response.get("connection") or "").lower():
        response.body = connection.read_till_eof()
    elif response.status in (101, 204, 304):
        response.body = ""
    else:
        raise Exception(f"no length, no chunks and no close: {response.status} {response.headers.by_name}")
    connection.close()
    return response


def GET(url, **options):
    return _synchronous("GET", url, **options)


def POST(url, **options):
    return _synchronous("POST", url, **options)


def OPTIONS(url, **options):
    return _synchronous("OPTIONS", url, **options)


def GET_async(url, **options):
    return _asynchronous("GET", url, **options)


def POST_async(url, **options):
    return _asynchronous("POST", url, **options)


def old_POST_async(url, load=False):
    """A request alone: its answer is not waited for."""
    connection = RawHttpConnection(url)
    parts = urlparse(url)
    connection.send(f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 0\r\n\r\n")
    return connection


class WebSocket8Client:
    class ConnectionClosedException(Exception):
        pass

    def __init__(self, url):
        self.client = websocket.WebSocket(url)

    def send(self, text):
        self.client.send(text)

    def recv(self):
        text = self.client.recv()
        if self.client.closing is None:
            return text
        error = self.ConnectionClosedException()
        error.code, error.reason = self.client.closing
        raise error

    def close(self):
        self.client.close()
