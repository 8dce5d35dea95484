export { default } from "../basic/script.ts";
