// What clients say, byte by byte: socket.io-client 4 on its WebSocket transport, sockjs-client 1 on its own, and Autobahn with JSON.

import type { Opening } from "./speaker.ts";
import { numberAfter, place } from "./text-frames.ts";

/** Of 32 bytes. */
const text = place.padEnd(32, "x");

/** Its answer has as many bytes: what comes back is what was sent. */
export interface EchoProtocol extends Opening {
  readonly message: string;
  readonly answerBytes: number;
}

/** Socket.IO protocol 5 in Engine.IO protocol 4. */
export const socketIoEcho: EchoProtocol = {
  path: "/socket.io/?EIO=4&transport=websocket",
  // Engine.IO's OPEN comes by itself, Socket.IO's CONNECT is answered.
  steps: ["", "40"],
  message: `42["echo","${text}"]`,
  answerBytes: `42["echo","${text}"]`.length,
  head: numberAfter('42["echo","'),
};

/** @param index Of the connection: a session has its own path. */
export function sockJsEcho(index: number): EchoProtocol {
  return {
    path: `/echo/000/${index.toString(36).padStart(8, "0")}/websocket`,
    // "o"
    steps: [""],
    message: `["${text}"]`,
    answerBytes: `a["${text}"]`.length,
    head: numberAfter('a["'),
  };
}

/** Of AutobahnJS, those that take part in a call or a publication. */
const roles = {
  caller: { features: { caller_identification: true, call_canceling: true, progressive_call_results: true } },
  callee: { features: { caller_identification: true, progressive_call_results: true } },
  publisher: { features: { publisher_exclusion: true } },
  subscriber: { features: { publisher_identification: true } },
};
const hello = JSON.stringify([1, "realm1", { roles }]);
const wamp = { path: "/ws", subprotocol: "wamp.2.json" };
const topic = "com.example.topic";
const procedure = (index: number) => `com.example.procedure.${index}`;

/** RESULT has the number of its CALL. */
export const caller: Opening = { ...wamp, steps: [hello], head: numberAfter("[50,") };
export const call = (index: number) => `[48,${place},{},"${procedure(index)}",["${text}"]]`;

/** YIELD has the number of its INVOCATION. */
export const callee = (index: number): Opening => ({
  ...wamp,
  steps: [hello, `[64,1,{},"${procedure(index)}"]`],
  head: numberAfter("[68,"),
});
export const yielded = `[70,${place},{},["${text}"]]`;

/** EVENT has the number that was published behind two of the router's. */
const events = numberAfter("[36,", '["');
export const publisher: Opening = { ...wamp, steps: [hello], head: events };
export const publish = `[16,${place},{},"${topic}",["${text}"]]`;
export const subscriber: Opening = { ...wamp, steps: [hello, `[32,1,{},"${topic}"]`], head: events };
