// What gateways say on their links, record by record: each goes to the part that it is for. Events are most of it.

import { parseResult } from "../protocol/commands.ts";
import type { Batch } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import { decodeClose, decodePublished, decodeTimer } from "../protocol/payloads.ts";
import { flag, parseCredit, parseGatewayLost, parsePin, parseStates, toWorker } from "../protocol/records.ts";
import { matchRoute, type RouteTable } from "../protocol/route-table.ts";
import type { ExclusiveRunner } from "./exclusive-runner.ts";
import type { GatewayCommands } from "./gateway-commands.ts";
import type { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import type { GatewayPeer } from "./gateway-peer.ts";
import type { Handler } from "./handler.ts";
import { Mailbox } from "./mailbox.ts";
import { ReceivedMessage } from "./message.ts";
import type { RequestHandler } from "./request-handler.ts";
import { pinnedState } from "./state.ts";
import type { StateCheck } from "./state-check.ts";
import type { Turns } from "./turns.ts";
import { queryOf } from "./upgrade-request.ts";

export interface GatewayRecordsOptions {
  readonly handlers: RouteTable<Handler>;
  readonly turns: Turns;
  readonly exclusive: ExclusiveRunner;
  readonly requests: RequestHandler;
  readonly gatewayLostHooks: GatewayLostHooks;
  readonly stateCheck: StateCheck;
  readonly commands: GatewayCommands;
  /** A record could not be read, or a bug met it. */
  readonly onFault: (error: unknown) => void;
}

export class GatewayRecords {
  private readonly options: GatewayRecordsOptions;

  constructor(options: GatewayRecordsOptions) {
    this.options = options;
  }

  handle(gateway: GatewayPeer, batch: Batch): void {
    this.options.turns.meter.batch(batch.records);
    for (let index = 0; index < batch.records; index++) {
      try {
        this.handleRecord(gateway, batch, index);
      } catch (error) {
        // The rest of the batch is of other connections.
        this.options.onFault(error);
        if (isGiven(batch.type(index))) this.giveUp(gateway, batch.slot(index), batch.epoch(index));
      }
    }
  }

  private handleRecord(gateway: GatewayPeer, batch: Batch, index: number): void {
    const slot = batch.slot(index);
    switch (batch.type(index)) {
      case toWorker.pin:
        return this.pin(gateway, batch, index);
      case toWorker.earlier:
        gateway.earlier = { slot, epoch: batch.epoch(index), state: new Uint8Array(batch.view(index)) };
        return;
      case toWorker.upgrade:
      case toWorker.request:
        return this.ask(gateway.id, batch, index);
      case toWorker.credit:
        return this.options.requests.credit(gateway.id, slot, parseCredit(batch.payload(index)));
      case toWorker.cancel:
        this.options.requests.cancel(gateway.id, slot);
        return this.options.gatewayLostHooks.cancel(gateway.id, slot);
      case toWorker.gatewayLost:
        return this.tellGatewayLost(gateway.id, slot, batch.payload(index));
      case toWorker.states:
        return this.options.stateCheck.answered(gateway.id, slot, parseStates(batch.payload(index)));
      case toWorker.result:
        return this.options.commands.result(gateway.id, slot, parseResult(batch.payload(index)));
      default:
        return this.handlePinned(gateway, batch, index);
    }
  }

  private tellGatewayLost(gatewayId: string, number: number, payload: Buffer): void {
    const { exclusive, gatewayLostHooks } = this.options;
    const lost = parseGatewayLost(payload);
    // It may kill the worker, too: no message is to be taken for that.
    exclusive.do(() => void gatewayLostHooks.answer(gatewayId, number, lost));
  }

  /** Of a connection, if it is still this worker's. */
  private handlePinned(gateway: GatewayPeer, batch: Batch, index: number): void {
    const { turns } = this.options;
    const mailbox = gateway.get(batch.slot(index));
    if (mailbox === undefined || mailbox.pin.epoch !== batch.epoch(index)) return;
    const type = batch.type(index);
    const flags = batch.flags(index);
    if ((flags & flag.alone) !== 0) this.options.exclusive.add(mailbox);
    const redelivered = (flags & flag.redelivered) !== 0;
    const flushed = batch.extra(index);
    switch (type) {
      case toWorker.message: {
        const message = new ReceivedMessage(batch.view(index), (flags & flag.binary) !== 0);
        mailbox.push({ type, message, redelivered, flushed });
        return turns.run(mailbox);
      }
      case toWorker.open:
      case toWorker.adopt:
        mailbox.push({ type, redelivered, flushed });
        return turns.run(mailbox);
      case toWorker.close: {
        const { code, reason } = decodeClose(batch.payload(index));
        mailbox.push({ type, code, reason, redelivered, flushed });
        return turns.run(mailbox);
      }
      case toWorker.expire: {
        const payload = batch.payload(index);
        if (payload.length !== 8) throw new CodedError("envelope.malformed", "an expire without its time");
        mailbox.push({ type, expiresAt: payload.readDoubleLE(0), redelivered, flushed });
        return turns.run(mailbox);
      }
      case toWorker.timer:
        mailbox.push({ type, ...decodeTimer(batch.payload(index)), redelivered, flushed });
        return turns.run(mailbox);
      case toWorker.published: {
        const { data, ...published } = decodePublished(batch.payload(index));
        const message = new ReceivedMessage(data, (flags & flag.binary) !== 0);
        mailbox.push({ type, ...published, message, redelivered, flushed });
        return turns.run(mailbox);
      }
      case toWorker.unpin:
        mailbox.leave(batch.extra(index) === 1);
        return turns.run(mailbox);
      case toWorker.flushed:
        return gateway.confirmFlush(mailbox);
      case toWorker.refused:
        return this.forget(gateway, mailbox);
      default:
        throw new CodedError("envelope.malformed", `a record of type ${type}`);
    }
  }

  // It belongs to no connection yet.
  private ask(gateway: string, batch: Batch, index: number): void {
    const { exclusive, requests, onFault } = this.options;
    const type = batch.type(index);
    const number = batch.slot(index);
    const payload = batch.payload(index);
    exclusive.do(() => {
      try {
        if (type === toWorker.upgrade) requests.upgrade(gateway, number, payload);
        else requests.request(gateway, number, payload);
      } catch (error) {
        // It may be done late, where nobody else would catch it.
        onFault(error);
      }
    });
  }

  private pin(gateway: GatewayPeer, batch: Batch, index: number): void {
    const slot = batch.slot(index);
    const epoch = batch.epoch(index);
    const before = gateway.get(slot);
    if (before !== undefined) this.forget(gateway, before);
    const body = parsePin(batch.payload(index));
    // Its hello may not have come yet.
    gateway.level ??= body.level ?? 0;
    const match = matchRoute(this.options.handlers, body.path);
    if (match === undefined)
      throw new CodedError("route.unknown", `a connection to ${body.path} was given to a worker that does not serve it`);
    const { earlier } = gateway;
    gateway.earlier = undefined;
    const own = earlier?.slot === slot && earlier.epoch === epoch ? earlier : undefined;
    const { state, isMigrated, fault } = pinnedState(match.route, body.state, own);
    // One by one: V8 gives each object that is made by spreading a shape of its own, and then each look at a pin is a slow one.
    const mailbox = new Mailbox({
      gateway,
      slot,
      epoch,
      id: body.id,
      user: body.user,
      path: body.path,
      ip: body.ip,
      subprotocol: body.subprotocol,
      next: body.next,
      params: match.params,
      query: queryOf(body.query),
      state,
      isMigrated,
      topics: new Set(body.topics),
      hooked: body.hooked,
      expiresAt: body.expiresAt,
      timers: body.timers,
      lastTimer: body.lastTimer,
      level: body.level,
      fault,
      handler: match.route,
    });
    gateway.add(mailbox);
    if (fault !== undefined) this.options.turns.closeUnfit(mailbox, fault);
  }

  // What its gateway waits for will never be done here.
  private giveUp(gateway: GatewayPeer, slot: number, epoch: number): void {
    const mailbox = gateway.get(slot);
    if (mailbox?.pin.epoch === epoch) this.forget(gateway, mailbox);
    gateway.giveUp(slot, epoch);
  }

  // It is another worker's by now, or has another epoch.
  private forget(gateway: GatewayPeer, mailbox: Mailbox): void {
    this.options.turns.forget(mailbox);
    gateway.forget(mailbox);
  }
}

/** Whether a record gives a connection, or one of its events. */
function isGiven(type: number): boolean {
  return (type >= toWorker.pin && type <= toWorker.adopt) || (type >= toWorker.expire && type <= toWorker.published);
}
