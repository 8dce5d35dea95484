// What NATS publishes of what it has stored, and what it means. The test's own side of it is here as well: both have to be of one mind.

import type { BusMessage } from "../../protocol/bus.ts";
import { CodedError } from "../../protocol/errors.ts";
import { exceptHeader, frameHeader, subjectsOf } from "../../protocol/subjects.ts";
import type { LiveEntry } from "./kept-topic.ts";

/** @param now Milliseconds since 1970. @throws {CodedError} "envelope.malformed" */
export function parseLive(message: BusMessage, now: number): LiveEntry {
  const { subject, payload } = message;
  const [, messages, seconds] = /\.history\.(\d+)\.(\d+)\.[^.]+$/.exec(message.header("Nats-Subject") ?? "") ?? [];
  const [, epoch] = /\.kept-([a-z0-9]+)$/.exec(subject) ?? [];
  const [offset, before] = [Number(message.header("Nats-Sequence")), Number(message.header("Nats-Last-Sequence"))];
  if (epoch === undefined || messages === undefined || !Number.isInteger(offset) || !Number.isInteger(before)) {
    throw new CodedError("envelope.malformed", `what was published to ${subject} comes from no stream of history`);
  }
  const retention = { messages: Number(messages), seconds: Number(seconds) };
  const except = message.header(exceptHeader)?.split(",") ?? [];
  const isBinary = message.header(frameHeader) !== "text";
  // nats-server 2.9 does not tell when it has stored it: a moment ago.
  const at = Date.parse(message.header("Nats-Time-Stamp") ?? "") || now;
  return { epoch, offset, before, retention, at, data: new Uint8Array(payload), isBinary, except };
}

/** For tests: what `parseLive` reads. */
export function liveMessage(topic: string, { epoch, offset, before, retention, data, isBinary, except }: LiveEntry): BusMessage {
  const subjects = subjectsOf("test");
  const headers: Record<string, string | undefined> = {
    "Nats-Subject": subjects.kept(retention, topic),
    "Nats-Sequence": String(offset),
    "Nats-Last-Sequence": String(before),
    [frameHeader]: isBinary ? undefined : "text",
    [exceptHeader]: except.length === 0 ? undefined : except.join(","),
  };
  return { subject: subjects.topicKept(topic, epoch), payload: data, isUnheard: false, header: (name) => headers[name] };
}
