// What another gateway has published, as a record of its batch, on its way to the subscribers here.

import type { Batch } from "../protocol/envelope.ts";
import { decodePublishExcept } from "../protocol/payloads.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { decodeTogether } from "../protocol/together.ts";
import { publishFrames } from "./together.ts";
import type { PublishHere } from "./topics.ts";

/** @throws {CodedError} "envelope.malformed" */
export function publishReceived(publishHere: PublishHere, topic: string, batch: Batch, index: number): void {
  const isBinary = (batch.flags(index) & flag.binary) !== 0;
  const type = batch.type(index);
  if (type !== toGateway.publishExcept && type !== toGateway.publishTogether) return publishHere(topic, batch.view(index), isBinary);
  const { data, except } = decodePublishExcept(batch.payload(index));
  if (type === toGateway.publishTogether) publishFrames(publishHere, topic, decodeTogether(data), except);
  else publishHere(topic, data, isBinary, except);
}
