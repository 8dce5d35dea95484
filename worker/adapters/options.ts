// Options of adapters, checked when a handler is made: a mistake fails the deploy, and not the requests of clients.

import { CodedError } from "../adapter.ts";

/** As of timers. */
const mostCount = 2 ** 31 - 1;

/** Of milliseconds or bytes. @throws {CodedError} "handler.invalid" */
export function checkCount(option: string, value: number, most = mostCount): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new CodedError("handler.invalid", `${option} is ${JSON.stringify(value)}: it is a whole number from 1 to ${most}`);
}

/** @param known by name. @throws {CodedError} "handler.invalid" for any other one. */
export function checkNames(what: string, given: object = {}, known: object): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    throw new CodedError("handler.invalid", `${what} has no option ${name}: it has ${Object.keys(known).join(", ")}`);
  }
}
