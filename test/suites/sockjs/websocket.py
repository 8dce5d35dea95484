"""A WebSocket client for sockjs-protocol's tests, as far as they use the package of this name: RFC 6455, by the standard library."""

import base64
import os
import socket
import struct
from urllib.parse import urlparse

TEXT, CLOSE, PING = 1, 8, 9


class WebSocketConnectionClosedException(Exception):
    pass


class WebSocket:
    def __init__(self, url):
        parts = urlparse(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=2)
        self.reader = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        status = self.reader.readline().decode().split(" ", 2)[1]
        while self.reader.readline() not in (b"\r\n", b""):
            pass
        if status != "101":
            raise Exception(f"handshake answered with {status}")
        # (code, reason) of the server's close frame.
        self.closing = None

    def send(self, text):
        self._write(TEXT, text.encode("utf-8"))

    def recv(self):
        """The next text; an empty one for a close frame; behind that, an exception."""
        while True:
            head = self._read(2)
            opcode, length = head[0] & 15, head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._read(8))
            payload = self._read(length)
            if opcode == TEXT:
                return payload.decode("utf-8")
            if opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.closing = (code, payload[2:].decode("utf-8"))
                self._write(CLOSE, payload[:2])
                return ""
            if opcode == PING:
                self._write(10, payload)

    def close(self):
        self.socket.close()

    def _read(self, count):
        data = self.reader.read(count)
        if len(data) < count:
            raise WebSocketConnectionClosedException("the server has closed the connection")
        return data

    def _write(self, opcode, payload):
        mask = os.urandom(4)
        length = len(payload)
        size = bytes([128 | length]) if length < 126 else bytes([128 | 126]) + struct.pack(">H", length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.socket.sendall(bytes([128 | opcode]) + size + mask + masked)


def create_connection(url, **_):
    return WebSocket(url)
