// What the test sees of a page, whatever its library is. Numbers are said again and again, some at once, and everybody hears them.

const atOnce = 4;
/** Many pages share a machine. */
const pauseMs = 100;

const query = new URLSearchParams(location.search);
export const name = query.get("name");
/** Undefined: the library's own choice. */
export const transports = query.get("transports")?.split(",");
/** Where the page is not from there: "http://127.0.0.1:8080". */
export const server = query.get("server") ?? "";

let number = 0;
let isStopped = true;
let working = Promise.resolve();

export const client = {
  transport: "",
  opens: 0,
  /** Why connections have ended. */
  closes: [],
  /** All numbers heard, in their order, by who has said them. */
  heard: {},
  /** What was answered with something wrong. */
  wrong: [],
  /** Resolves when a number was answered. The page's script gives it. */
  say: undefined,

  /** One round at least. */
  start() {
    isStopped = false;
    working = work();
  },

  /** @returns the last number, once all are answered. */
  async stop() {
    isStopped = true;
    await working;
    return number;
  },
};

globalThis.client = client;

export function opened(transport) {
  client.transport = transport;
  client.opens++;
}

export function hears(who, number) {
  client.heard[who] ??= [];
  client.heard[who].push(number);
}

async function work() {
  do {
    const numbers = Array.from({ length: atOnce }, () => ++number);
    await Promise.all(numbers.map((each) => client.say(each)));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  } while (!isStopped);
}
