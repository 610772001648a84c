"""Networks that go wrong: a name that moves, and a way that swallows everything."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from typing import Self


class NameServer(asyncio.DatagramProtocol):
    """A DNS server that answers every question for an IPv4 address with `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question (RFC 1035, 4.1): the header, the question again, and a record if it is for an A."""
        end = data.index(0, 12) + 5
        question = data[12:end]
        (kind,) = struct.unpack("!H", question[-4:-2])
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + ipaddress.IPv4Address(self.address).packed
        answers = record if kind == 1 else b""
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(answers), 0, 0)
        self._transport.sendto(header + question + answers, addr)


class Way:
    """A TCP proxy. Once it is a black hole, what is sent on its connections goes nowhere, and they stay open."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_hole = False
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in [*self._open]:
            writer.close()

    def swallow(self) -> None:
        """Become a black hole; connections of now stay swallowed for ever."""
        self._is_hole = True
        self._swallowed |= self._open

    def heal(self) -> None:
        """Let new connections through."""
        self._is_hole = False

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if self._is_hole:
            self._swallowed.add(writer)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open.add(there_writer)
        await asyncio.gather(
            self._pump(reader, there_writer, writer), self._pump(there_reader, writer, writer), return_exceptions=True
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if key not in self._swallowed:
                    writer.write(data)
                    await writer.drain()
        if key not in self._swallowed:
            writer.close()
