// What listeners may rely on, without sockets: what each turn emits, and what outlives a worker.

import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
import { type Server, type Socket, socketIo } from "./socket-io.ts";

const url = "/socket.io/?EIO=4&transport=websocket";

async function serve(setUp: (io: Server) => void) {
  const app = await testHandler(socketIo({ path: "/socket.io/*" }, setUp));
  const client = async (auth?: object, nsp = "") => {
    const connection = await app.connect(url);
    await connection.send(`40${nsp}${auth === undefined ? "" : JSON.stringify(auth)}`);
    return connection;
  };
  return { app, client };
}

/** The frames that a client got behind its handshakes. */
function events(connection: { frames: readonly unknown[] }) {
  return connection.frames.slice(2);
}

test("an event reaches its listener, and what that emits reaches everybody", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("chat message", (text) => io.emit("chat message", text));
    });
  });
  const [ada, bob] = [await client(), await client()];
  await ada.send('42["chat message","hi"]');
  expect(events(ada)).toEqual(['42["chat message","hi"]']);
  expect(events(bob)).toEqual(['42["chat message","hi"]']);
});

function greeter(word: string) {
  return (io: Server) => {
    io.on("connection", (socket: Socket) => {
      socket.emit(word);
      socket.broadcast.emit("joined");
      socket.data.count = 0;
      socket.join("room");
      socket.on("count", (answer) => {
        socket.data.count = (socket.data.count as number) + 1;
        answer(word, socket.data.count, [...socket.rooms].length, socket.isNew);
      });
    });
  };
}

test("another release registers listeners again, and nothing else that they did happens twice", async () => {
  const { app, client } = await serve(greeter("hello"));
  const [ada, bob] = [await client(), await client()];
  await ada.send('421["count"]');
  await app.deploy(socketIo({ path: "/socket.io/*" }, greeter("welcome")));
  await ada.send('422["count"]');
  expect(events(ada)).toEqual(['42["hello"]', '42["joined"]', '431["hello",1,2,true]', '432["welcome",2,2,false]']);
  expect(events(bob)).toEqual(['42["hello"]']);
});
