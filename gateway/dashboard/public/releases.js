// Each release has a colour, the same everywhere on the page, as long as the page is open.

const colours = 6;
const known = [];

/** Names in the order in which their colours are to be given. */
export function meet(names) {
  for (const name of [...names].sort()) if (!known.includes(name)) known.push(name);
}

/** 1 to 6 */
export function colourOf(release) {
  meet([release]);
  return (known.indexOf(release) % colours) + 1;
}

/** The oldest first. */
export function inOrder(names) {
  return [...names].sort((a, b) => known.indexOf(a) - known.indexOf(b));
}
