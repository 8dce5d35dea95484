// The experiment's page. All that it shows came from somebody else, so all of it becomes text, and no HTML.

import { connect } from "/site/demo.js";

const rememberedMost = 10;
/** How long after its time a question waits for its result. */
const resultWithinMs = 3000;

const [ask, asks, title, progress, answerList, news, note, earlier] = [
  "ask",
  "asks",
  "question",
  "progress",
  "answers",
  "news",
  "note",
  "earlier",
].map((id) => document.getElementById(id));

const room = new URLSearchParams(location.search).get("room")?.trim().slice(0, 40).toWellFormed() || "lobby";

/** Everybody in the room: what they chose, by connection. Undefined: somebody who has left before the list came in which they still are. */
const people = new Map();
/** The latest questions and their results, by the question's id. The last question is the one to answer. */
const questions = new Map();
const results = new Map();
/** What was chosen here: told again to the next connection if this one breaks. */
let mine;
let isListed = false;
/** By how much the server's clock is ahead of ours. */
let aheadMs = 0;

const socket = connect(encodeURIComponent(room), {
  onOpen() {
    for (const each of [people, questions, results]) each.clear();
  },
  onMessage(message) {
    for (const [what, value] of Object.entries(message)) heard[what]?.(value, message);
  },
  onClose() {
    isListed = false;
  },
});

/** What to do with each kind of message. */
const heard = {
  here(members, { now }) {
    aheadMs = now - Date.now();
    // What was heard meanwhile is newer than the list.
    for (const { id, choice } of members) if (!people.has(id)) people.set(id, choice);
    for (const [id, choice] of people) if (choice === undefined) people.delete(id);
    isListed = true;
    if (mine !== undefined && isOpen(current()) && mine.question === current().id) sendChoice();
  },
  joined(id) {
    people.set(id, null);
  },
  answered({ id, choice }) {
    people.set(id, choice);
  },
  left(id) {
    if (isListed) people.delete(id);
    else people.set(id, undefined);
  },
  question(asked) {
    questions.set(asked.id, asked);
    const [oldest] = questions.keys();
    if (questions.size <= rememberedMost) return;
    questions.delete(oldest);
    results.delete(oldest);
  },
  result(counted) {
    results.set(counted.question, counted);
  },
  refused(why) {
    note.textContent = `Not asked: ${why}.`;
  },
  error(code) {
    note.textContent = `The server refuses this: ${code}`;
  },
};

ask.addEventListener("submit", (event) => {
  event.preventDefault();
  const answers = [...ask.elements.answer].map(({ value }) => value.trim()).filter((value) => value !== "");
  const isSent = socket.send({ type: "ask", asks: asks.value, answers });
  note.textContent = isSent ? "" : "There is no connection now: ask again as soon as there is.";
});

// Not for each message: thousands may answer at once.
setInterval(() => {
  if (isListed) show();
}, 100);

function current() {
  return [...questions.values()].at(-1);
}

function isOpen(question) {
  return question !== undefined && !results.has(question.id) && Date.now() + aheadMs < question.until + resultWithinMs;
}

function sendChoice() {
  const isSent = socket.send({ type: "answer", ...mine });
  note.textContent = isSent ? "" : "There is no connection now: your answer is sent as soon as there is.";
}

/** How many chose each answer, and of how many: as it was closed with, or as it is now. */
function countsOf({ id, answers }) {
  const { counts, of } = results.get(id) ?? {};
  if (counts !== undefined) return { counts: counts.slice(0, answers.length), of };
  const chosen = [...people.values()].filter((choice) => choice?.question === id);
  return { counts: answers.map((_, answer) => chosen.filter((choice) => choice.answer === answer).length), of: people.size };
}

function show() {
  const question = current();
  if (question !== undefined) showQuestion(question);
  else set(progress, people.size === 1 ? "You are the only one here." : `${people.size} people are here.`);
  const closed = [...questions.values()].filter((each) => each !== question && results.has(each.id)).reverse();
  const lines = closed.map((each) => `${each.asks} ${resultText(each)}`);
  if (lines.join("\n") !== [...earlier.children].map((line) => line.textContent).join("\n")) {
    earlier.replaceChildren(...lines.map((line) => element("li", line)));
    earlier.parentElement.hidden = lines.length === 0;
  }
}

function showQuestion(question) {
  if (answerList.dataset.question !== question.id) {
    answerList.dataset.question = question.id;
    answerList.replaceChildren(...question.answers.map((text, answer) => answerRow(question, text, answer)));
    set(title, question.asks);
  }
  const open = isOpen(question);
  const { counts, of } = countsOf(question);
  const total = counts.reduce((sum, count) => sum + count, 0);
  for (const [answer, row] of [...answerList.children].entries()) {
    const [button, bar, text] = row.children;
    const percent = total === 0 ? 0 : Math.round((100 * counts[answer]) / total);
    bar.firstElementChild.style.width = `${percent}%`;
    set(text, `${counts[answer]} ${counts[answer] === 1 ? "answer" : "answers"}, ${percent} %`);
    button.setAttribute("aria-pressed", String(mine?.question === question.id && mine.answer === answer));
    button.disabled = !open;
  }
  const seconds = Math.max(0, Math.ceil((question.until - Date.now() - aheadMs) / 1000));
  set(progress, `${total} of ${of} have answered. ${open ? (seconds > 0 ? `${seconds} s left.` : "Counting …") : "Closed."}`);
  set(news, open ? `A question: ${question.asks}` : `Closed. ${resultText(question)}`);
}

function answerRow(question, text, answer) {
  const button = element("button", text);
  button.addEventListener("click", () => {
    mine = { question: question.id, answer };
    sendChoice();
    show();
  });
  const bar = element("div", element("div"));
  bar.className = "bar";
  const count = element("span");
  count.className = "count";
  return element("li", button, bar, count);
}

function resultText(question) {
  const { counts, of } = countsOf(question);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return `${question.answers.map((text, answer) => `${text}: ${counts[answer]}`).join(", ")}. ${total} of ${of} have answered.`;
}

/** Only what changes is read out, and selected text stays selected. */
function set(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @param content Text, however it looks, and elements. */
function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}
