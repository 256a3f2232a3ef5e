import { defineConfig } from "@playwright/test";
import base from "./playwright.config.ts";

/** `npx playwright test --config measure.config.ts`: figures of the page, printed. */
export default defineConfig(base, { testDir: "measure", reporter: "line", timeout: 900_000 });
