import AxeBuilder from "@axe-core/playwright";
import { expect, test as base, type Page } from "@playwright/test";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Server } from "./server.ts";

export { expect };

const screenshots = path.resolve(import.meta.dirname, "../screenshots");

/** Playwright's test, failing on any message in the browser's console. */
export const test = base.extend<{ consoleMessages: string[] }>({
  consoleMessages: [
    async ({ context }, use) => {
      const messages: string[] = [];
      context.on("console", (message) => {
        // A preview that is requested at the moment of its cancellation is gone.
        const isGone = /\/media\/\w+\.png\?t=/.test(message.location().url) && message.text().includes("404");
        if (!isGone) messages.push(`${message.type()}: ${message.text()}`);
      });
      context.on("weberror", (error) => messages.push(`uncaught: ${error.error().message}`));
      await use(messages);
      expect(messages, "the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

/** A server for one test file: fresh data, a clean stop at the end, no warnings in its log. */
export function serverForThisFile(...args: string[]): Server {
  const server = new Server();
  test.beforeAll(() => server.start(...args));
  test.afterAll(async () => {
    const status = await server.stop();
    server.clean();
    expect(status, "the server's exit status").toBe(0);
    expect(server.warnings, "the server's warnings").toEqual([]);
  });
  return server;
}

/** Waits until the page is hydrated and its socket is open. */
export async function hydrated(page: Page): Promise<void> {
  await expect(page.getByRole("button", { name: "Connection live" })).toBeVisible();
}

/** Checks that axe finds no violation in the page. */
export async function expectAccessible(page: Page): Promise<void> {
  // Legacy mode: all of it runs in the page itself. The other mode gathers its results in a second, blank page,
  // in which Chromium without a GPU now and then never answered; it serves frames of other origins, and we have none.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html).join(" | ")}`);
  expect(told).toEqual([]);
}

/** Stores a screenshot of the whole page. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true });
}
