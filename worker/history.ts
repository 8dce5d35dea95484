// What handlers see of what topics keep, made of what gateways tell; and what is published, encoded, to be kept or not. Pure.

import type { CommandBody, ResultBody } from "../protocol/commands.ts";
import { CodedError } from "../protocol/errors.ts";
import type { FailedBody } from "../protocol/failed.ts";
import type { Retention } from "../protocol/history.ts";
import { checkExcept } from "./effects.ts";
import type { HistoryEntry } from "./handler.ts";
import { ReceivedMessage } from "./message.ts";

/** What is published. */
export interface EncodedPublish {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly binary: boolean;
  /** See Frame. */
  readonly together?: true;
  readonly except: readonly string[];
  /** undefined: it is not kept. */
  readonly retention: Retention | undefined;
}

/** @throws {CodedError} "except.invalid" */
export function publishBody({ topic, data, binary, together, except, retention }: EncodedPublish): CommandBody {
  const unheard = except.length === 0 ? {} : { except: [...checkExcept(except)] };
  return { kind: "publish", topic, data, binary, ...(together && { together }), ...unheard, ...(retention && { keep: retention }) };
}

/** @throws {CodedError} what the gateway says has failed. */
export function succeeded(result: ResultBody): Exclude<ResultBody, FailedBody> {
  if (typeof result === "object" && "failed" in result) throw new CodedError(result.failed, result.text);
  return result;
}

/** What a gateway has told, oldest first. @throws {CodedError} "envelope.malformed", and as `succeeded` */
export function historyOf(result: ResultBody): HistoryEntry[] {
  const told = succeeded(result);
  if (typeof told === "number" || !("history" in told)) throw new CodedError("envelope.malformed", "no history");
  const { data, binary, positions, at } = told.history;
  if ([binary, positions, at].some(({ length }) => length !== data.length)) {
    throw new CodedError("envelope.malformed", "a history has columns of different lengths");
  }
  return data.map((bytes, index) => ({
    data: new ReceivedMessage(bytes, binary[index] === true),
    position: positions[index] ?? "",
    at: new Date(at[index] ?? 0),
  }));
}
