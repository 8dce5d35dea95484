// Clients of Python, each a process that is told which numbers to send, a line each, and tells what becomes of them. None where the package
// is missing.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { OpenLibraryClient } from "../chaos/libraries/library-client.ts";
import { endsWithUs } from "../testbed/ends-with-us.ts";
import { pythonWith } from "./python.ts";

// It is told "<life> <number>": what was meant for an earlier connection is not sent.
const common = `
import asyncio, json, sys

life, send = 0, None

def tell(*what):
    print(json.dumps(what), flush=True)

def opened(sender, *connections):
    global life, send
    life, send = life + 1, sender
    tell("opened", life, *connections)

def ended(reason):
    global send
    if send is not None:
        send = None
        tell("ended", reason)

async def listen():
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        of, number = map(int, line.split())
        if of == life and send is not None:
            await send(number)
`;

const websockets = `
from websockets import connect, ConnectionClosed

async def main():
    listening = asyncio.ensure_future(listen())
    async for socket in connect(sys.argv[1] + "/reconnecting"):
        try:
            async for text in socket:
                kind, connection, *numbers = text.split(" ")
                if kind == "hello":
                    async def send(number, socket=socket, connection=connection):
                        try:
                            await socket.send(f"{connection} {number}")
                        except ConnectionClosed:
                            pass
                    opened(send, connection)
                else:
                    tell("heard", "answers", int(numbers[0]))
                    tell("heard", "counts", int(numbers[1]))
        except ConnectionClosed:
            pass
        ended(f"closed with {socket.close_code}")

asyncio.run(main())
`;

const autobahn = `
import uuid
import txaio
txaio.use_asyncio()
from autobahn.asyncio.component import Component

peers = {}

def component(role):
    transport = dict(type="websocket", url=sys.argv[1] + "/wamp", serializers=[sys.argv[2]], max_retries=-1, initial_retry_delay=0.1, max_retry_delay=0.3)
    made = Component(transports=[transport], realm="chaos")
    @made.on_join
    async def joined(session, details):
        peers[role] = session
        if len(peers) == 2:
            await begin(peers["caller"], peers["callee"])
    @made.on_leave
    def left(session, details):
        peers.pop(role, None)
        ended(f"{role}: {details.reason}")
    return made

async def begin(caller, callee):
    uri = "chaos." + uuid.uuid4().hex
    is_told = lambda: send is not None and peers.get("caller") is caller and peers.get("callee") is callee
    def hear(way, number):
        if is_told():
            tell("heard", way, number)
        return number
    connections = [await peer.call("chaos.connection") for peer in (caller, callee)]
    await callee.register(lambda number: hear("invocations", number), uri)
    await callee.subscribe(lambda number: hear("events", number), uri)
    async def call(number):
        try:
            hear("results", await caller.call(uri, number))
        except Exception as error:
            if is_told():
                tell("failed", repr(error))
    async def emit(number):
        if caller.is_attached():
            caller.publish(uri, number)
            asyncio.ensure_future(call(number))
    if peers.get("caller") is caller and peers.get("callee") is callee:
        opened(emit, *connections)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
listening = loop.create_task(listen())
loop.run_until_complete(asyncio.gather(*(txaio.as_future(component(role).start, loop) for role in ("caller", "callee"))))
`;

type Told = ["opened", number, ...string[]] | ["heard", string, number] | ["failed", string] | ["ended", string];

export interface PythonClient {
  readonly name: string;
  /** undefined: the package is missing. */
  readonly open: OpenLibraryClient | undefined;
}

const pair = ["results", "invocations", "events"];

export const pythonClients: readonly PythonClient[] = [
  clientOf("Python's websockets", "websockets", ["answers", "counts"], websockets),
  clientOf("Autobahn|Python over JSON", "autobahn", pair, autobahn, "json"),
  clientOf("Autobahn|Python over MessagePack", "autobahn", pair, autobahn, "msgpack"),
];

function clientOf(name: string, module: string, ways: readonly string[], script: string, ...args: string[]): PythonClient {
  const python = pythonWith(module);
  if (python === undefined) return { name, open: undefined };
  const open: OpenLibraryClient = (url, events) => {
    const child = spawn(python, ["-c", common + script, url, ...args], { stdio: ["pipe", "pipe", "ignore"] });
    endsWithUs(child, "SIGKILL");
    let life = 0;
    createInterface({ input: child.stdout }).on("line", (line) => {
      // Autobahn logs there, too.
      if (!line.startsWith("[")) return;
      const told = JSON.parse(line) as Told;
      if (told[0] === "heard") events.heard(told[1], told[2]);
      else if (told[0] === "failed") events.failed(told[1]);
      else if (told[0] === "ended") events.ended(told[1]);
      else {
        const [, of, ...connections] = told;
        life = of;
        events.opened(connections);
      }
    });
    return { name, ways, send: (number) => child.stdin.write(`${life} ${number}\n`), close: () => child.kill("SIGKILL") };
  };
  return { name, open };
}
