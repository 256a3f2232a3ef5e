import { defineConfig } from "@playwright/test";
import base from "./playwright.config.ts";

/** `npx playwright test --config readme.config.ts`: takes the README's pictures from the real studio. */
export default defineConfig(base, { testDir: "readme", reporter: "line", timeout: 300_000 });
