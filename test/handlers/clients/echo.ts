export { default } from "../basic/echo.ts";
