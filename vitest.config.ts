import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{protocol,gateway,worker,scripts,test}/**/*.test.ts"],
    exclude: ["**/node_modules/**", ".thinstate*/**"],
    // Real processes on machines that are busy with other things: what is waited for has its own, shorter patience.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Each file may start a handful of processes.
    maxWorkers: 2,
  },
});
