// The worker's process.

import { collectSeldom } from "../process/gc-tuning.ts";
import { sayFatal } from "../process/log.ts";
import { thrownText } from "../process/thrown.ts";
import { exitCodeOf, isCodedError } from "../protocol/errors.ts";
import { HandlersError } from "./load-problem.ts";
import { run } from "./run.ts";

collectSeldom();
try {
  await run(process.env);
} catch (error) {
  const isExpected = isCodedError(error) || error instanceof HandlersError;
  const text = isExpected ? error.message : thrownText(error);
  sayFatal(`worker: ${text}`, process.env.JOURNAL_STREAM);
  process.exit(exitCodeOf(error));
}
