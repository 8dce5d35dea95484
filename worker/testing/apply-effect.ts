// What the effects of a commit do to a connection in memory, as gateway/commit-run.ts does it.

import { asStored } from "../../protocol/history.ts";
import { decodeSetTimer, decodeSubscribeAfter } from "../../protocol/payloads.ts";
import { toGateway } from "../../protocol/records.ts";
import type { Effect, Frame } from "../effects.ts";
import type { PublishOptions } from "../handler.ts";
import type { HeldConnection } from "./held-connection.ts";
import { HeldHeartbeat } from "./held-heartbeat.ts";
import type { KeptHistory } from "./kept-history.ts";
import { bytesOf, publishedFrame, seenEffect, wireFrames } from "./seen.ts";
import type { TestLocks } from "./test-locks.ts";

/** The gateway that applies it. */
export interface Applying {
  /** Of the turn. */
  readonly release: string;
  readonly history: KeptHistory;
  readonly locks: TestLocks;
  /** By the clock that tests advance, in ms. */
  readonly now: number;
  readonly wallClock: number;
  publish(topic: string, frame: Frame, options: Pick<PublishOptions, "except" | "keep">): void;
  stay(connection: HeldConnection, ms: number): void;
  countMessages(connection: HeldConnection, more: number): void;
}

export function applyEffects(connection: HeldConnection, effects: readonly Effect[], gateway: Applying): void {
  for (const [index, effect] of effects.entries()) {
    if (effect.type === toGateway.subscribeAfter) subscribeAfter(connection, effects.slice(index), gateway);
    else applyEffect(connection, effect, gateway);
  }
}

/** Those at the beginning that follow each other: what they keep comes as it was stored. */
function subscribeAfter(connection: HeldConnection, effects: readonly Effect[], { history }: Applying): void {
  const end = effects.findIndex(({ type }) => type !== toGateway.subscribeAfter && type !== toGateway.member);
  const first = effects.slice(0, end < 0 ? undefined : end).filter(({ type }) => type === toGateway.subscribeAfter);
  const backlog = first
    .map((effect) => decodeSubscribeAfter(bytesOf(effect)))
    .flatMap(({ topic, after }) => {
      if (connection.closed !== undefined || connection.topics.has(topic)) return [];
      connection.subscribe({ topic }, []);
      return history.behind(topic, after);
    });
  connection.frames.push(...history.frames(asStored(backlog)).flatMap(wireFrames));
}

function applyEffect(connection: HeldConnection, effect: Effect, gateway: Applying): void {
  const isOpen = connection.closed === undefined;
  const seen = seenEffect(effect);
  switch (seen.type) {
    case "send":
      if (isOpen) connection.frames.push(...wireFrames({ ...effect, ...(seen.together && { isTogether: true }) }));
      return;
    case "publish":
      return gateway.publish(seen.topic, publishedFrame(effect).frame, {
        ...seen,
        except: [...(seen.except ?? []), ...(seen.self ? [] : [connection.id])],
      });
    case "subscribe":
      if (isOpen) connection.subscribe(seen, gateway.history.frames(gateway.history.latest(seen.topic, seen.last ?? 0)));
      return;
    case "member":
      return connection.setMember(seen.topic, publishedFrame(effect).frame, gateway.wallClock);
    case "unsubscribe":
      return connection.leave(seen.topic);
    case "setState":
      return connection.setState(effect, gateway.release);
    case "setTimer":
      return connection.setTimer(decodeSetTimer(bytesOf(effect)), gateway.now);
    case "clearTimer":
      connection.timers.delete(seen.name);
      return;
    case "setHeartbeat":
      connection.heartbeat = seen.heartbeat && isOpen ? new HeldHeartbeat(seen.heartbeat, gateway.now) : undefined;
      return;
    case "stay":
      return gateway.stay(connection, seen.ms);
    case "countMessages":
      return gateway.countMessages(connection, seen.more);
    case "lock":
      return gateway.locks.keep(connection.id, seen.name);
    case "unlock":
      return gateway.locks.release(connection.id, seen.name);
    case "identify":
      return connection.identify(seen);
  }
}
