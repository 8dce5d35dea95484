// Three paragraphs, of which this browser edits one at most. What the server says of a paragraph counts unless its fence is lower than what
// is known: each edit has a higher one than those before it. What was typed stays in the page until the server has said that it is kept.

import { connect, myName } from "/site/demo.js";

const typingPauseMs = 250;

const name = myName();
const documentName = new URLSearchParams(location.search).get("document")?.slice(0, 40).toWellFormed() || "minutes";
document.getElementById("name").value = name;
document.getElementById("document").value = documentName;

/** @type {{ paragraph: Paragraph, status: "asked" | "has" | "saving" | "lost" | "refused", fence?: number, typed?: boolean, saves?: boolean,
 *   changedBy?: string } | undefined} What this browser edits or wants to. `typed`: has text of its own; `saves`: the button was pressed;
 *   `changedBy`: who has edited it since, while there was no connection. */
let mine;
/** Whose turn it is once `mine` is saved. */
let next;
let typing;

class Paragraph {
  text = "";
  fence = 0;
  isFree = true;
  /** The name of whoever edits it, if that is not this browser. */
  editor = "";

  constructor(number) {
    this.number = number;
    this.title = `paragraph ${number + 1}`;
    this.section = document.getElementById("paragraph").content.cloneNode(true).firstElementChild;
    const find = (selector) => this.section.querySelector(selector);
    this.parts = { title: find("h2"), text: find(".text"), input: find("textarea"), hint: find(".hint"), editor: find(".editor") };
    this.buttons = { edit: find(".edit"), save: find(".save"), discard: find(".discard") };
    this.parts.title.textContent = `Paragraph ${number + 1}`;
    this.parts.input.setAttribute("aria-label", `Paragraph ${number + 1}`);
    for (const button of Object.values(this.buttons)) button.setAttribute("aria-label", `${button.textContent}, ${this.title}`);
    this.parts.input.addEventListener("input", typed);
    this.buttons.edit.addEventListener("click", () => begin(this));
    this.buttons.save.addEventListener("click", save);
    this.buttons.discard.addEventListener("click", discard);
    document.getElementById("paragraphs").append(this.section);
  }

  draw() {
    const { text, input, hint, editor } = this.parts;
    const { edit, save, discard } = this.buttons;
    const own = mine?.paragraph === this && (mine.status !== "asked" || mine.typed) ? mine : undefined;
    text.textContent = this.text || "Nothing written yet.";
    text.classList.toggle("empty", this.text === "");
    text.hidden = own !== undefined && own.changedBy === undefined;
    input.hidden = own === undefined;
    hint.hidden = own?.status !== "has";
    editor.textContent = own === undefined ? this.editor && `${this.editor} is editing this paragraph.` : ownText(own);
    edit.hidden = own !== undefined && own.status !== "refused";
    save.hidden = own === undefined || own.status === "refused";
    discard.hidden = own === undefined || (own.status === "has" && own.changedBy === undefined);
    this.section.dataset.state = own !== undefined ? "mine" : this.editor === "" ? "free" : "taken";
  }
}

const paragraphs = [0, 1, 2].map((number) => new Paragraph(number));
drawAll();

const socket = connect(`${encodeURIComponent(documentName)}?name=${encodeURIComponent(name)}`, {
  onOpen() {
    // Who edits is told anew.
    for (const paragraph of paragraphs) paragraph.editor = "";
    if (mine !== undefined) ask();
    drawAll();
  },
  onClose() {
    if (mine !== undefined) mine.status = "lost";
    drawAll();
  },
  onMessage(message) {
    if (message.editors !== undefined) for (const edit of message.editors) hear(edit);
    else if (message.granted !== undefined) granted(message.granted);
    else if (message.refused !== undefined) refused(paragraphs[message.refused]);
    else if (message.error !== undefined) failed(message.error);
    else hear(message);
    drawAll();
  },
});

/** Somebody has begun, has typed, or is done. */
function hear({ paragraph: number, fence, name: editor, text, free = false }) {
  const paragraph = paragraphs[number];
  if (fence < paragraph.fence || (fence === paragraph.fence && paragraph.isFree && !free)) return;
  if (fence > paragraph.fence && !free && text === undefined) say(`${editor} edits ${paragraph.title}.`);
  paragraph.fence = fence;
  paragraph.isFree = free;
  paragraph.editor = free ? "" : editor;
  paragraph.text = text ?? paragraph.text;
  if (mine?.paragraph !== paragraph) return;
  if (mine.fence !== undefined && fence > mine.fence && text !== undefined) mine.changedBy = editor;
  if (!free) return;
  if (mine.status === "refused") ask();
  else if (mine.fence === fence && (mine.status === "has" || mine.status === "saving")) kept();
}

function begin(paragraph) {
  if (mine !== undefined && mine.paragraph !== paragraph) {
    next = paragraph;
    if (mine.status === "has") return save();
    return say(`First save or discard what you wrote in ${mine.paragraph.title}.`);
  }
  mine ??= { paragraph, status: "asked" };
  ask();
  drawAll();
}

function ask() {
  if (socket.send({ type: "edit", paragraph: mine.paragraph.number })) {
    mine.status = "asked";
  } else if (mine.typed) {
    mine.status = "lost";
  } else {
    mine = undefined;
    say("There is no connection: try again in a moment.");
  }
}

function granted({ paragraph: number, fence, name: editor }) {
  const paragraph = paragraphs[number];
  Object.assign(paragraph, { fence, isFree: false });
  if (mine?.paragraph !== paragraph) {
    // Discarded while it waited for the answer.
    paragraph.editor = editor;
    return socket.send({ type: "save" });
  }
  Object.assign(mine, { fence, status: "has" });
  const { input } = paragraph.parts;
  if (!mine.typed) {
    input.value = paragraph.text;
    paragraph.draw();
    input.focus();
  } else if (mine.changedBy === undefined) {
    if (mine.saves) save();
    else sendText();
  }
}

function refused(paragraph) {
  if (mine?.paragraph !== paragraph) return;
  mine.status = "refused";
  if (!mine.typed) mine = undefined;
  say(`${paragraph.editor || "Somebody else"} still edits ${paragraph.title}.`);
}

function failed(code) {
  if (mine?.status === "asked") {
    if (mine.typed) mine.status = "refused";
    else mine = undefined;
  }
  say(`The server could not do that (${code}): try again in a moment.`);
}

function typed() {
  mine.typed = true;
  typing ??= setTimeout(sendText, typingPauseMs);
}

function sendText() {
  clearTimeout(typing);
  typing = undefined;
  if (mine?.status === "has") socket.send({ type: "text", text: mine.paragraph.parts.input.value });
}

function save() {
  clearTimeout(typing);
  typing = undefined;
  Object.assign(mine, { typed: true, saves: true, changedBy: undefined });
  if (mine.status === "has" && socket.send({ type: "save", text: mine.paragraph.parts.input.value })) mine.status = "saving";
  else say("There is no connection: your text stays here, and is saved when it is back.");
  drawAll();
}

/** The server has this browser's text, and the paragraph is free. */
function kept() {
  const { paragraph, status } = mine;
  if (mine.typed && paragraph.parts.input.value !== paragraph.text) {
    // Typed since.
    mine.saves = false;
    return ask();
  }
  end(status === "saving" ? `Saved ${paragraph.title}.` : `Nobody typed for a minute: ${paragraph.title} is saved, and free.`);
}

function discard() {
  if (mine.status === "has") socket.send({ type: "save" });
  end("Your text is discarded.");
}

function end(text) {
  const { paragraph } = mine;
  const hadFocus = paragraph.section.contains(document.activeElement);
  mine = undefined;
  say(text);
  drawAll();
  if (next !== undefined) begin(next);
  else if (hadFocus) paragraph.buttons.edit.focus();
  next = undefined;
}

function ownText({ status, saves, changedBy, paragraph }) {
  if (changedBy !== undefined) return `${changedBy} has changed it meanwhile, as above. Save puts your text in its place.`;
  if (status === "has") return "You are editing this paragraph: nobody else can.";
  if (status === "refused") return `${paragraph.editor || "Somebody else"} edits it now. Your text stays here.`;
  if (status === "lost") return `There is no connection. Your text stays here${saves ? ", and is saved when it is back" : ""}.`;
  return status === "saving" ? "Saving …" : "Asking for it again …";
}

function drawAll() {
  for (const paragraph of paragraphs) paragraph.draw();
}

function say(text) {
  document.getElementById("news").textContent = text;
}
