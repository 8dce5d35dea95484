// Every row, in the order of the table.

import type { Row } from "../row.ts";
import { connectionRows } from "./connections.ts";
import { deployRows } from "./deploys.ts";
import { dispatchRows } from "./dispatch.ts";
import { echoRows } from "./echo.ts";
import { gameRow } from "./game.ts";
import { httpRow } from "./http.ts";
import { membersRow } from "./members.ts";
import { presenceRow } from "./presence.ts";
import { timersRow } from "./timers.ts";
import { topicRows } from "./topics.ts";
import { workersRow } from "./workers.ts";

export const rows: readonly Row[] = [
  ...echoRows,
  ...topicRows,
  presenceRow,
  httpRow,
  timersRow,
  gameRow,
  ...connectionRows,
  workersRow,
  membersRow,
  ...deployRows,
  ...dispatchRows,
];
