export { default } from "../basic/journal.ts";
