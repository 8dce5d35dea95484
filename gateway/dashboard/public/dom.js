// How the page makes elements and writes numbers. Text only ever becomes text: what handlers and clients have said is never markup.

const numbers = new Intl.NumberFormat("en-US");

/**
 * @param {string} name with classes: "li.done"
 * @param {(Node | string | undefined)[]} content
 */
export function element(name, ...content) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  if (classes.length > 0) made.className = classes.join(" ");
  made.append(...content.filter((part) => part !== undefined));
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

export function count(number) {
  return numbers.format(number);
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/** "6.9 ms", "120 ms", "2.8 s" */
export function duration(ms) {
  const [value, unit] = durationParts(ms);
  return `${value} ${unit}`;
}

export function durationParts(ms) {
  if (ms >= 10_000) return [count(Math.round(ms / 1000)), "s"];
  if (ms >= 1_000) return [(ms / 1000).toFixed(1), "s"];
  return [ms < 10 ? ms.toFixed(1) : String(Math.round(ms)), "ms"];
}

/** "2 d 4 h", "12 min", "40 s" */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
