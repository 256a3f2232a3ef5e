import { defineConfig } from "@playwright/test";

/** Chromium's switches: no sandbox (containers), no network requests of its own. */
const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export default defineConfig({
  testDir: "tests",
  // One browser at a time: the server under test needs the other core.
  workers: 1,
  forbidOnly: true,
  // Six views with axe take 20 s on two busy cores.
  timeout: 120_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  outputDir: "test-results",
  use: {
    browserName: "chromium",
    viewport: { width: 1440, height: 900 },
    trace: "retain-on-failure",
    launchOptions: { executablePath: process.env.EMBERLINE_CHROMIUM ?? "/usr/bin/chromium", args: quiet },
  },
});
