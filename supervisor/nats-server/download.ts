// Fetches one file over HTTP. A connection that is cut off is made again, and what is missing is asked for.

import { open } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get } from "./request.ts";

/** Quick to give up: there are other ways to get what is wanted. */
export interface DownloadLimits {
  /** Until an answer begins. */
  readonly answerMs: number;
  /** Between two pieces of the body. */
  readonly silenceMs: number;
  readonly mostBytes: number;
}

export interface DownloadOptions {
  readonly url: URL;
  /** Where it is written to; it must not exist. */
  readonly file: string;
  /** Names the proxy. */
  readonly environment: NodeJS.ProcessEnv;
  readonly limits: DownloadLimits;
  /** @param totalBytes undefined: the server does not say. */
  readonly onProgress: (bytes: number, totalBytes: number | undefined) => void;
}

const mostAttempts = 4;

/** @throws {Error} whose message says in a few words why not. */
export async function download({ url, file, environment, limits, onProgress }: DownloadOptions): Promise<void> {
  const target = await open(file, "wx");
  try {
    let received = 0;
    for (let attempt = 1; ; attempt++) {
      const before = received;
      const headers = before === 0 ? {} : { range: `bytes=${before}-` };
      const response = await get(url, { headers, environment, answerMs: limits.answerMs });
      try {
        const { start, total } = extentOf(response, before);
        received = start;
        await target.truncate(received);
        for await (const chunk of piecesOf(response, limits.silenceMs)) {
          if (received + chunk.length > limits.mostBytes) throw new Refused(`it is larger than ${limits.mostBytes} bytes`);
          await target.write(chunk, 0, chunk.length, received);
          received += chunk.length;
          onProgress(received, total);
        }
        return;
      } catch (error) {
        // What is cut off at once may have brought something that was not read any more. Silence only costs time.
        const isHopeless = !(error instanceof CutOff) && received <= before;
        if (attempt === mostAttempts || isHopeless || error instanceof Refused) throw error;
      } finally {
        response.destroy();
      }
    }
  } finally {
    await target.close();
  }
}

/** The server has something else, or nothing. */
class Refused extends Error {}

class CutOff extends Error {}

/**
 * Which bytes an answer has.
 * @param wanted The first one that was asked for.
 * @throws {Refused}
 */
function extentOf({ statusCode, headers }: IncomingMessage, wanted: number): { start: number; total: number | undefined } {
  const length = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
  if (statusCode === 200) return { start: 0, total: length };
  // RFC 9110, section 14.4.
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
  if (statusCode === 206 && Number(first) === wanted) return { start: wanted, total: total === "*" ? undefined : Number(total) };
  throw new Refused(`the server answers ${statusCode}`);
}

/** @throws where the connection is cut off, or nothing comes for too long. */
async function* piecesOf(response: IncomingMessage, silenceMs: number): AsyncGenerator<Buffer> {
  const giveUp = () => response.destroy(new Error(`the server was silent for ${silenceMs / 1000} s`));
  let timer = setTimeout(giveUp, silenceMs);
  try {
    for await (const chunk of response) {
      clearTimeout(timer);
      yield chunk as Buffer;
      timer = setTimeout(giveUp, silenceMs);
    }
  } catch (error) {
    // Node's word for it is "aborted".
    throw (error as NodeJS.ErrnoException).code === "ECONNRESET" ? new CutOff("the connection was cut off") : error;
  } finally {
    clearTimeout(timer);
  }
}
