// Answers whose bodies come in pieces, or are large. What becomes of them is published to "notes".

import { setTimeout as pause } from "node:timers/promises";
import { type App, defineHandler } from "../../../worker/handler.ts";

const encoder = new TextEncoder();

export default defineHandler({
  path: "/stream/:mode",
  onUpgrade: ({ query }) => new Response("x".repeat(Number(query.get("bytes"))), { status: 403 }),
  async onRequest(request, { params, app, turn }) {
    const query = new URL(request.url).searchParams;
    const bytes = Number(query.get("bytes"));
    const length = query.get("length");
    const headers: Record<string, string> = length === null ? {} : { "content-length": length };
    request.signal.addEventListener("abort", () => void app.publish("notes", `${params.mode} aborted`));
    void app.publish("notes", `${params.mode} asked${turn.redelivered ? " again" : ""}`);
    const answer = (source: AsyncIterable<Uint8Array>, type = "text/plain") =>
      new Response(told(source, params.mode, app), { headers: { ...headers, "content-type": type } });
    switch (params.mode) {
      case "text":
        return new Response("x".repeat(bytes), { headers });
      case "counted":
        return answer(counted(bytes, app));
      case "events":
        return answer(events(), "text/event-stream");
      case "silent":
        return answer(silence(), "text/event-stream");
      case "fails":
        return answer(failing(bytes));
      case "killed":
        return answer(killed());
      case "strings":
        return answer(strings() as AsyncIterable<never>);
      case "head":
        return new Response("", { headers: { "x-long": "x".repeat(bytes) } });
      case "waits":
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        throw new Error("nobody waits for this");
      default:
        return new Response(null, { status: Number(params.mode), headers });
    }
  },
});

/** Nothing is read before somebody wants it; tells of who does not any more. */
function told(source: AsyncIterable<Uint8Array>, mode: string, app: App): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        void app.publish("notes", `${mode} cancelled`);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Numbers of eight digits: what is lost, doubled or out of order shows. */
async function* counted(bytes: number, app: App): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; ) {
    let text = "";
    for (const end = Math.min(at + 32_768, bytes); at < end; at += 8) text += String(at).padStart(8, "0");
    yield encoder.encode(text);
    if (at % 1_048_576 === 0) void app.publish("notes", `counted to ${at}`);
  }
}

async function* events(): AsyncGenerator<Uint8Array> {
  for (let count = 1; ; count++) {
    yield encoder.encode(`data: ${count}\n\n`);
    await pause(20);
  }
}

async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise(() => undefined);
}

async function* failing(bytes: number): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(bytes);
  await pause(20);
  throw new Error("the source broke");
}

/** Says whom to kill, and waits for that. */
async function* killed(): AsyncGenerator<Uint8Array> {
  yield encoder.encode(String(process.pid));
  await new Promise(() => undefined);
}

async function* strings(): AsyncGenerator<string> {
  yield "text";
}
