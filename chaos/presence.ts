// Whether the list of members has those who are there, each once, and nobody else.

/**
 * @param url ws://…
 * @param expected Ids of the open connections.
 * @returns in words, what is wrong; empty: nothing.
 */
export async function wrongMembers(url: string, expected: readonly string[]): Promise<string[]> {
  const answer = await fetch(`${url.replace(/^ws/, "http")}/present`);
  if (!answer.ok) return [`the members could not be listed: ${answer.status} ${await answer.text()}`];
  const listed = (await answer.json()) as string[];
  const found: string[] = [];
  const ghosts = listed.filter((id) => !expected.includes(id));
  const missing = expected.filter((id) => !listed.includes(id));
  if (ghosts.length > 0) found.push(`${ghosts.length} members are not there: ${ghosts.slice(0, 3)}`);
  if (missing.length > 0) found.push(`${missing.length} connections are no members: ${missing.slice(0, 3)}`);
  if (new Set(listed).size < listed.length) found.push("a member is listed twice");
  return found;
}
