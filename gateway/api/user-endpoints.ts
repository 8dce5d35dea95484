// The endpoints about users: to send to all connections of one, on all gateways, and to close them.

import * as v from "valibot";
import type { ApiKey } from "../../process/api-keys/key-file.ts";
import { matchesAny } from "../../process/api-keys/patterns.ts";
import { checkClose } from "../../protocol/close-code.ts";
import { checkUser, userLimitBytes } from "../../protocol/user.ts";
import type { Answer } from "../uws/waiting-client.ts";
import { ApiError, jsonAnswer } from "./api-error.ts";
import { type ApiActions, type ApiCall, bytesType, type Endpoint, jsonType, textType, type UserCommand } from "./endpoint.ts";
import { checkPayload, type Payload, parseJson, parsePayload, payloadEntries, rawPayload, refuseCoded } from "./payload.ts";

export const userSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(userLimitBytes),
  v.description(`As onUpgrade or setUser has it: at most ${userLimitBytes} bytes of UTF-8`),
);

const sendSchema = v.strictObject({ user: userSchema, ...payloadEntries });

const closeSchema = v.strictObject({
  user: userSchema,
  code: v.optional(v.pipe(v.number(), v.description("1000, or 3000 to 4999")), 1000),
  reason: v.optional(v.pipe(v.string(), v.description("At most 123 bytes of UTF-8")), ""),
});

const met = v.object({
  connections: v.pipe(v.number(), v.integer(), v.minValue(0), v.description("Of the user, that it met on all gateways")),
});

const errors = ["identity.invalid", "api.forbidden", "nats.away", "api.unanswered", "api.busy", "gateway.outdated"] as const;
const accepted = { status: 202, text: "All gateways have done it", schema: met };

const sendToUser: Endpoint = {
  name: "sendToUser",
  method: "POST",
  path: "/send-to-user",
  summary: "Send one message to all connections of a user",
  query: { user: { schema: v.pipe(userSchema, v.description("Of a raw body")), isRequired: false } },
  bodies: { [jsonType]: sendSchema, [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors: [...errors, "message.tooLarge"],
  asksAll: true,
  run: (call, actions) => {
    const { user, ...payload } = sendOf(call);
    checkPayload(payload, actions.messageBytes());
    return run({ kind: "sendToUser", user, data: payload.data, binary: payload.isBinary }, call, actions);
  },
};

const sendToUserOfPath: Endpoint = {
  name: "sendToUserOfPath",
  method: "POST",
  path: "/send-to-user/{user}",
  summary: "Send raw bytes, or text, to all connections of the user of the path",
  bodies: { [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors: sendToUser.errors,
  asksAll: true,
  run: sendToUser.run,
};

const closeUser: Endpoint = {
  name: "closeUser",
  method: "POST",
  path: "/close-user",
  summary: "Close all connections of a user",
  bodies: { [jsonType]: closeSchema },
  success: accepted,
  errors: [...errors, "close.invalid"],
  asksAll: true,
  run: (call, actions) => {
    const { user, code, reason } = parseJson(closeSchema, call.body);
    refuseCoded(() => checkClose(code, reason));
    return run({ kind: "closeUser", user, code, reason }, call, actions);
  },
};

export const userEndpoints = [sendToUser, sendToUserOfPath, closeUser] as const;

/** @throws {ApiError} "api.invalid" */
function sendOf({ target, query, mediaType, body }: ApiCall): Payload & { readonly user: string } {
  const user = target ?? query.get("user") ?? undefined;
  if (mediaType === jsonType) {
    if (user !== undefined) throw new ApiError("api.invalid", "JSON names its user itself: leave it out of the URL");
    const parsed = parseJson(sendSchema, body);
    return { user: parsed.user, ...parsePayload(parsed) };
  }
  if (user === undefined) {
    throw new ApiError("api.invalid", "raw bytes need their user in the URL: /send-to-user/USER or /send-to-user?user=USER");
  }
  return { user, ...rawPayload(body, mediaType === bytesType) };
}

/** @throws {ApiError} "identity.invalid", "api.forbidden"; and as `everywhere` */
function run(command: UserCommand, { key, once }: ApiCall, { everywhere }: ApiActions): Promise<Answer> {
  refuseCoded(() => checkUser(command.user));
  checkRight(key, command);
  return everywhere(command, once).then((connections) => jsonAnswer(accepted.status, { connections }));
}

function checkRight({ rights }: ApiKey, { kind, user }: UserCommand): void {
  if (matchesAny(rights.users, user)) return;
  const doing = kind === "sendToUser" ? "send to the user" : "close the connections of the user";
  throw new ApiError("api.forbidden", `this key may not ${doing} ${JSON.stringify(user)}`);
}
