// Where values are kept that are taken once, whichever process takes them.

export interface OneTimeStore {
  /**
   * Keeps a value for five minutes.
   * @param key New, of letters, digits, `-` and `_`.
   * @param value At most 15 KiB.
   * @throws {CodedError} "auth.unavailable"
   */
  put(key: string, value: string): Promise<void>;
  /**
   * @param taker May take it again: the id of an upgrade that runs a second time.
   * @returns undefined where it never was or is no more, or somebody else has it.
   * @throws {CodedError} "auth.unavailable"
   */
  take(key: string, taker: string): Promise<string | undefined>;
}
