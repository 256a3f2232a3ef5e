import { defineConfig } from "@playwright/test";
import base from "./playwright.config.ts";

/**
 * `npx playwright test --config measure.config.ts`: prints the page's figures. Without Playwright's trace, which
 * takes a screenshot of each repaint and copies the whole page at each step of a test (37 ms for each click).
 */
export default defineConfig(base, {
  testDir: "measure",
  reporter: "line",
  timeout: 900_000,
  use: { ...base.use, trace: "off" },
});
