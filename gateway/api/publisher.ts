// Publishes of calls of the HTTP API. All of them count as one publisher's: what is not kept waits behind what is kept on its topic.

import { createHash } from "node:crypto";
import type { CodedError } from "../../protocol/errors.ts";
import { isCodedError } from "../../protocol/errors.ts";
import type { Once } from "../../protocol/gateway-questions.ts";
import type { HistoryEntry } from "../../protocol/history.ts";
import type { History } from "../history/history.ts";
import type { Topics } from "../topics.ts";
import { ApiError } from "./api-error.ts";
import type { KeptPublish, Publish } from "./publishes.ts";

export interface PublisherOptions {
  readonly history: Pick<History, "keep" | "read" | "publishHere" | "outbox">;
  readonly topics: Pick<Topics, "publishElsewhere">;
}

/** No id of a connection or a worker. */
const publisher = "api";

export class Publisher {
  private readonly options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.options = options;
  }

  publish({ topic, data, isBinary }: Publish): void {
    const { history, topics } = this.options;
    const publish = (bytes: Uint8Array) => {
      history.publishHere(topic, bytes, isBinary);
      topics.publishElsewhere(topic, bytes, isBinary);
    };
    if (history.outbox.isEmpty) return publish(data);
    // The body may be gone by then.
    const own = new Uint8Array(data);
    if (!history.outbox.behind(publisher, topic, { dataBytes: data.length, run: () => publish(own) })) publish(data);
  }

  /**
   * Resolves once all are stored.
   * @param once Gives them ids of their own: a call that is sent again within two minutes stores none twice, at whichever gateway.
   * @throws {ApiError} "history.total": nothing was done. "history.tooMany", "history.unavailable": the others may be stored.
   */
  async keep(publishes: readonly KeptPublish[], once: Once | undefined): Promise<void> {
    const { history } = this.options;
    if (!history.outbox.hasRoom()) throw new ApiError("history.total");
    const call = once && createHash("sha256").update(`${once.name}\n${once.fingerprint}`).digest("base64url");
    const settled = publishes.map(({ topic, data, isBinary, keep }, index) => {
      const id = call && `api-${call}-${index}`;
      return new Promise<CodedError | undefined>((resolve) => {
        history.keep(publisher, { topic, data, isBinary, except: [], id }, keep, resolve);
      });
    });
    const failed = (await Promise.all(settled)).find((error) => error !== undefined);
    if (failed !== undefined) throw refusalOf(failed);
  }

  /** The latest of a topic, oldest first. @throws {ApiError} "history.unavailable" */
  async history(topic: string, last: number): Promise<readonly HistoryEntry[]> {
    try {
      return await this.options.history.read(topic, last);
    } catch (error) {
      throw refusalOf(error);
    }
  }
}

/** A fault of NATS may pass. */
function refusalOf(error: unknown): ApiError {
  if (isCodedError(error, "history.tooMany")) return new ApiError("history.tooMany", error.message.slice(`${error.code}: `.length));
  return new ApiError("history.unavailable");
}
