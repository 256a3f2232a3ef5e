import { defineConfig } from "@playwright/test";
import base from "./playwright.config.ts";

/**
 * `npx playwright test --config measure.config.ts`: figures of the page, printed. Without Playwright's own trace: it
 * takes a picture of each repaint and copies the whole page around each step of a test, 37 ms a click.
 */
export default defineConfig(base, {
  testDir: "measure",
  reporter: "line",
  timeout: 900_000,
  use: { ...base.use, trace: "off" },
});
