// Before unit tests: in the inner loop a property has so many milliseconds. Without PROPERTY_MS it has all of its runs.

import fc from "fast-check";

const { PROPERTY_MS } = process.env;
if (PROPERTY_MS !== undefined) fc.configureGlobal({ interruptAfterTimeLimit: Number(PROPERTY_MS) });
