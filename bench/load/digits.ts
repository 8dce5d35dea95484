// Numbers as five letters of a text frame: 30 bits, six in each letter. Cheaper than decimal digits, and as good UTF-8.

export const digitBytes = 5;
/** The largest number and, since it is all ones, its mask. */
export const digitLimit = 2 ** 30 - 1;

const first = 0x30;

export function writeDigits(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = first + (value >>> 24);
  bytes[at + 1] = first + ((value >>> 18) & 63);
  bytes[at + 2] = first + ((value >>> 12) & 63);
  bytes[at + 3] = first + ((value >>> 6) & 63);
  bytes[at + 4] = first + (value & 63);
}

/** @returns nonsense where there are other letters, and no number of its kind is that. */
export function readDigits(bytes: Uint8Array, at: number): number {
  const high = (((bytes[at] as number) - first) << 24) | (((bytes[at + 1] as number) - first) << 18);
  const low = (((bytes[at + 2] as number) - first) << 12) | (((bytes[at + 3] as number) - first) << 6);
  return high | low | ((bytes[at + 4] as number) - first);
}
